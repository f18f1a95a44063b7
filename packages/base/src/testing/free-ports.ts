/**
 * Ports that nothing else takes between the moment they are chosen and the moment a started process listens on them.
 *
 * Asking the kernel for a port and closing it again is not enough: test files run in several processes at once, and
 * the same port may be given to two of them, or to an outgoing connection, before the server that it was meant for
 * listens; a test then talks to another test's node. So ports are drawn below the range of outgoing connections, and
 * each is reserved by a UDP socket on the same number, which excludes other tests and no TCP server, and which the
 * kernel frees when the test's process ends, however it ends.
 */
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

const host = '127.0.0.1';
/** Above the blocks that `holdfast up` and the drills draw for whole clusters. */
const first = 31_000;
/** Linux takes ports of outgoing connections from 32768 on. */
const end = 32_768;
const attempts = 1000;

/** Held until the process ends. */
const reservations: Socket[] = [];

/**
 * @param draw a number from 0 to below 1, for each attempt.
 * @returns `count` different ports of 127.0.0.1 on which nobody listens and which no other test is given.
 */
export async function freePorts(count: number, draw: () => number = Math.random): Promise<number[]> {
  const ports: number[] = [];
  for (let attempt = 0; attempt < attempts && ports.length < count; attempt++) {
    const port = first + Math.floor(draw() * (end - first));
    if ((await reserve(port)) && (await canListen(port))) ports.push(port);
  }
  if (ports.length < count)
    throw new Error(`only ${ports.length} of ${count} free ports found between ${first} and ${end}`);
  return ports;
}

/** As `freePorts`, one. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

function reserve(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.unref();
      reservations.push(socket);
      resolve(true);
    });
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
