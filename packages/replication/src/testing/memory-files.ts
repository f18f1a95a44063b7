/** The file port in memory, which can be stopped at any operation as by kill -9. */
import type { FileReader, FileWriter, ReplicationFiles } from '../files.ts';

export class Crash extends Error {
  override readonly name = 'Crash';
}

export class MemoryFiles implements ReplicationFiles {
  readonly content: Map<string, Buffer> = new Map();
  readonly directories: Set<string> = new Set();
  /** Changes done so far. */
  changes: number = 0;
  /** The change with this number, and all after it, do not happen. */
  crashAt: number = Infinity;

  #change(): void {
    if (this.changes >= this.crashAt) throw new Crash(`crashed at change ${this.changes}`);
    this.changes++;
  }

  /** After a crash: the same files, working again. */
  restart(): void {
    this.crashAt = Infinity;
  }

  #has(path: string): boolean {
    return this.content.has(path) || this.directories.has(path) || this.#below(path).length > 0;
  }

  #below(directory: string): string[] {
    return [...this.content.keys()].filter((path) => path.startsWith(`${directory}/`));
  }

  async exists(path: string): Promise<boolean> {
    return Promise.resolve(this.#has(path));
  }

  async list(directory: string): Promise<readonly string[]> {
    return Promise.resolve(this.#below(directory).map((path) => path.slice(directory.length + 1)));
  }

  async makeDirectory(path: string): Promise<void> {
    this.#change();
    this.directories.add(path);
    return Promise.resolve();
  }

  /** File by file: a crash may leave half of a directory. */
  async remove(path: string): Promise<void> {
    for (const below of this.#below(path)) {
      this.#change();
      this.content.delete(below);
    }
    if (this.#has(path)) this.#change();
    this.content.delete(path);
    this.directories.delete(path);
    return Promise.resolve();
  }

  async rename(from: string, to: string): Promise<void> {
    if (!this.#has(from)) throw new Error(`ENOENT: ${from}`);
    if (this.directories.has(to) || this.#below(to).length > 0) throw new Error(`ENOTEMPTY: ${to}`);
    this.#change();
    for (const below of this.#below(from)) {
      this.content.set(to + below.slice(from.length), this.content.get(below) as Buffer);
      this.content.delete(below);
    }
    const file = this.content.get(from);
    if (file !== undefined) {
      this.content.set(to, file);
      this.content.delete(from);
    }
    if (this.directories.delete(from)) this.directories.add(to);
    return Promise.resolve();
  }

  async openReader(path: string): Promise<FileReader> {
    const file = this.content.get(path);
    if (file === undefined) throw new Error(`ENOENT: ${path}`);
    let at = 0;
    return Promise.resolve({
      sizeBytes: file.length,
      read: (into: Buffer): Promise<number> => {
        const length = file.copy(into, 0, at, at + into.length);
        at += length;
        return Promise.resolve(length);
      },
      close: (): Promise<void> => Promise.resolve(),
    });
  }

  async openWriter(path: string): Promise<FileWriter> {
    this.#change();
    this.content.set(path, Buffer.alloc(0));
    return Promise.resolve({
      write: (bytes: Uint8Array): Promise<void> => {
        this.#change();
        this.content.set(path, Buffer.concat([this.content.get(path) ?? Buffer.alloc(0), bytes]));
        return Promise.resolve();
      },
      finish: (): Promise<void> => Promise.resolve(),
      abandon: (): Promise<void> => Promise.resolve(),
    });
  }
}
