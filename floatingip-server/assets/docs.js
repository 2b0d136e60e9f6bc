// Shows every operation of /openapi.json with a form to try it. Texts are set as text, never as
// markup: answers hold names that others chose.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function field(parameter) {
  const input = element("input");
  input.name = parameter.name;
  input.dataset.in = parameter.in;
  input.required = Boolean(parameter.required);
  if (parameter.example) input.value = parameter.example;
  const about = element("small", parameter.description);
  return element("label", "", element("code", parameter.name), input, about);
}

function address(path, form) {
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("input")) {
    const { name, value } = input;
    if (input.dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value) query.append(name, value);
  }
  return query.size ? `${path}?${query}` : path;
}

async function send(method, url, body, output) {
  const options = { method: method.toUpperCase() };
  if (body !== undefined) {
    options.body = body;
    options.headers = { "Content-Type": "application/json" };
  }
  output.textContent = `${options.method} ${url}\n…`;
  try {
    const response = await fetch(url, options);
    const text = await response.text();
    output.textContent = `${options.method} ${url}\n${response.status}\n\n${text}`;
  } catch (error) {
    output.textContent = `${options.method} ${url}\n${error}`;
  }
}

function operation(path, method, details, shared) {
  const form = element("form");
  form.append(...[...shared, ...(details.parameters ?? [])].map(field));
  const body = details.requestBody?.content["application/json"];
  const text = element("textarea");
  if (body) {
    text.value = JSON.stringify(body.example ?? {}, null, 1);
    form.append(text);
  }
  const output = element("pre");
  form.append(element("button", "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method, address(path, form), body && text.value, output);
  });
  const title = element("summary", "", element("b", method.toUpperCase()));
  title.append(element("code", path), ` ${details.summary}`);
  return element("details", "", title, element("p", details.description), form, output);
}

async function show() {
  const about = document.getElementById("about");
  try {
    const api = await (await fetch("../openapi.json")).json();
    about.textContent = api.info.description;
    for (const [path, item] of Object.entries(api.paths))
      for (const method of METHODS.filter((method) => item[method]))
        document
          .getElementById("operations")
          .append(operation(path, method, item[method], item.parameters ?? []));
  } catch (error) {
    about.textContent = `The document could not be shown: ${error}`;
  }
}

show();
