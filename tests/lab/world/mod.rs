//! Everything that answers: the ISP's resolver, the sites, the encrypted resolver and the way out.

pub(crate) mod answer;
pub(crate) mod authority;
mod dns;
mod old_tls;
mod page;
mod quic;
mod twin;
mod way_out;
mod web;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use answer::{NameServer, Zone};
use authority::Issuing;
pub(crate) use web::http_text;

use crate::places::{self, Place};
use crate::router::Clock;
use crate::scenario::{Authority, Certificate, Host, Lie};
use crate::space::Space;

/// What the world knows of the scenario.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) hosts: Arc<Vec<Host>>,
    /// What the ISP's resolver learns when it asks the sites' own name servers.
    pub(crate) isp_zone: Arc<Zone>,
    /// What resolvers abroad learn.
    pub(crate) zone: Arc<Zone>,
    pub(crate) lies: Vec<Lie>,
    /// The ISP's resolvers make IPv6 addresses of IPv4 ones.
    pub(crate) dns64: bool,
    pub(crate) clock: Clock,
    /// The date, as the world has it.
    pub(crate) today: SystemTime,
}

/// Starts all servers of `place` in its namespace, and returns when every port is bound. They end when `stop` is
/// cancelled.
pub(crate) fn start(
    place: Place,
    space: &Space,
    world: World,
    stop: CancellationToken,
) -> Result<JoinHandle<Result<()>>> {
    let (ready, bound) = mpsc::channel();
    let serving = space.spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error.into()))),
        };
        runtime.block_on(async {
            let _ = ready.send(serve(place, &world).await);
            stop.cancelled().await;
        });
    })?;
    let name = place.name();
    bound.recv().with_context(|| format!("the servers of {name} died"))?.with_context(|| format!("serve {name}"))?;
    Ok(serving)
}

async fn serve(place: Place, world: &World) -> Result<()> {
    let name_server =
        |zone: &Arc<Zone>, lies, dns64| Arc::new(NameServer { zone: zone.clone(), lies, dns64, clock: world.clock });
    match place {
        Place::Vantage | Place::Tunnel | Place::World => {}
        Place::Isp => {
            let isp = name_server(&world.isp_zone, world.lies.clone(), world.dns64);
            dns::serve_plain(places::RESOLVER, isp.clone()).await?;
            dns::serve_plain(places::OTHER_RESOLVER, isp).await?;
        }
        Place::Abroad => {
            let (name, address) = places::TRUE_RESOLVER;
            let truth = name_server(&world.zone, Vec::new(), false);
            let issuing = Issuing { authority: Authority::Lab, certificate: Certificate::Good, today: world.today };
            let acceptor = |alpn: &[&[u8]]| web::acceptor(issuing, &[name.to_owned()], alpn);
            dns::serve_plain(address, truth.clone()).await?;
            dns::serve_tls(address, acceptor(&[b"dot"])?, truth.clone()).await?;
            dns::serve_https(address, acceptor(&[b"h2", b"http/1.1"])?, truth).await?;
            way_out::serve(world.zone.clone()).await?;
        }
    }
    for host in world.hosts.iter().filter(|host| Place::of(host.address) == Some(place)) {
        web::serve_host(host, world.clock, world.today).await.with_context(|| format!("host {}", host.address))?;
        twin::serve(host).await.with_context(|| format!("second address of host {}", host.address))?;
        quic::serve(host, world.today).with_context(|| format!("QUIC of host {}", host.address))?;
    }
    Ok(())
}
