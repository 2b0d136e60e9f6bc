//! Scenarios: short stories of pods, apps, pools and configurations, told through a [`scene::Scene`].

mod attachment;
mod cap;
mod choice;
mod claim;
mod configuration;
mod incarnation;
mod list;
mod mark;
mod policy;
mod pool;
mod provisional;
mod release;
mod scene;
mod settle;
