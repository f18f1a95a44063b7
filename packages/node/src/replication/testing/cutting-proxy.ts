/** A TCP proxy that resets each connection after a number of bytes towards the client, wherever that falls. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Endpoint } from '@holdfast/base';

export class CuttingProxy {
  cuts = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, target: Endpoint, bytesUntilCut: () => number) {
    this.#server = server;
    server.on('connection', (client) => {
      const backend = connect(target.port, target.host);
      let left = bytesUntilCut();
      for (const socket of [client, backend]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          backend.destroy();
        });
      }
      client.pipe(backend);
      backend.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, left);
        left -= part.length;
        client.write(part, () => {
          if (left > 0) return;
          this.cuts++;
          client.resetAndDestroy();
          left = Infinity;
        });
      });
      backend.on('end', () => client.end());
    });
  }

  static async start(target: Endpoint, bytesUntilCut: () => number): Promise<CuttingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new CuttingProxy(server, target, bytesUntilCut);
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
