//! Scenarios: short stories of pods, apps, pools and configurations, told through a [`scene::Scene`].

mod adopt;
mod app;
mod as_if;
mod attachment;
mod cap;
mod choice;
mod claim;
mod configuration;
mod incarnation;
mod list;
mod mark;
mod opening;
mod policy;
mod pool;
mod provisional;
mod release;
mod relist;
mod scene;
mod settle;
mod usage;
