//! A serial console as its pages see it: a server that starts, and somebody else at its keyboard.

use axum::{
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    response::Response,
};

/// What firmware and a kernel print, with a screen that is cleared, colours, and a wide line.
const PRINTED: &str = "\x1b[2J\x1b[1;1HBdsDxe: loading Boot0001 \"UEFI PXEv4\" from PciRoot(0x0)/Pci(0x2,0x0)\r\n\
    >>Start PXE over IPv4.\r\n  Station IP address is 198.18.1.20\r\n\r\n\
    \x1b[32m[    0.000000]\x1b[0m \x1b[33mLinux version 6.1.0-40-amd64\x1b[0m (debian-kernel@lists.debian.org)\r\n\
    \x1b[32m[    0.004123]\x1b[0m Command line: console=ttyS0,115200 ip=dhcp bms.agent=198.18.1.1:7443 bms.purpose=clean\r\n\
    \x1b[32m[    0.812345]\x1b[0m virtio_net virtio0 enp0s2: renamed from eth0\r\n\
    bms: disk /dev/nvme0n1: 1920 GB, SAMSUNG MZQL21T9HCJR\r\nbms: erase_devices: /dev/nvme0n1: format, 100 %\r\nbms: waiting for the next step\r\n";

/// The console of anything.
pub async fn open(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |socket| {
        // Whoever looks has gone when it ends.
        let _ = talk(socket).await;
    })
}

async fn talk(mut socket: WebSocket) -> Result<(), axum::Error> {
    socket.send(Message::text(r#"{"word":"opened"}"#)).await?;
    socket.send(Message::binary(PRINTED.as_bytes().to_vec())).await?;
    socket.send(Message::text(r#"{"word":"held","by":"ada"}"#)).await?;
    while let Some(heard) = socket.recv().await {
        heard?;
    }
    Ok(())
}
