# The server and the node's plugins, each a static program on nothing else:
#   docker build --target server -t floatingip-server:0.1.0 .
#   docker build --target cni -t floatingip-cni:0.1.0 .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target="$(rustc --print host-tuple)" \
    && cargo build --locked --release --target "$target" -p floatingip-server -p floatingip-cni \
    && mkdir /out && cp "target/$target/release/floatingip-server" "target/$target/release/floatingip-cni" /out/

FROM scratch AS server
COPY --from=build /out/floatingip-server /floatingip-server
USER 65532:65532
ENTRYPOINT ["/floatingip-server"]

FROM scratch AS cni
COPY --from=build /out/floatingip-cni /floatingip-cni
ENTRYPOINT ["/floatingip-cni"]
