/**
 * nodes.conf: a node's topology and own id between two runs (docs/formats/nodes-conf.md).
 *
 *     version 2
 *     id 07c3…
 *     node 07c3… 127.0.0.1 30001 master -  0-5460
 *
 * Without LB addresses the text is byte for byte what Kvrocks writes, its two blanks before the slots and its blank at
 * the end of a line without slots included, so either server opens the other's file. With LB addresses (which stock
 * Kvrocks refuses anyway) a comment before the first line announces the number of nodes.
 *
 * A file that lost its end must not be taken for a smaller cluster: its version would be right, so no controller would
 * push the lost nodes again. A cut inside a line shows by the missing newline, a cut between lines by the announced
 * number, an emptied file by the missing version. What cannot be told apart is a stock file cut between two lines.
 *
 * The text is one character per byte (latin1): ids and hosts are bytes of the caller's choosing.
 */
import { isNodeId, noVersion, parseVersion, type NodeId, type Version } from './cluster-node.ts';
import { nodeErrors, parseNodeLines, roleToken, type NumberedLine } from './node-lines.ts';
import { TopologyRefusal } from './refusal.ts';
import { formatSlotRanges } from './slot-range.ts';
import { Topology, topologyErrors } from './topology.ts';

const announcement = /^# ([0-9]{1,9}) nodes, LB addresses last$/;

/** The content of nodes.conf. */
export function formatNodesConf(topology: Topology): string {
  const lines: string[] = [];
  if (topology.nodes.some((node) => node.lb !== undefined))
    lines.push(`# ${topology.nodes.length} nodes, LB addresses last`);
  lines.push(`version ${topology.version}`, `id ${configValue(topology.selfId ?? '')}`);
  const ranges = topology.rangesByNode();
  topology.nodes.forEach((node, index) => {
    const slots = ranges[index] ?? [];
    const master = node.role === 'master' ? '-' : node.masterId;
    let value = `${node.id} ${node.internal.host} ${node.internal.port} ${roleToken(node)} ${master} `;
    if (slots.length > 0) value += ` ${formatSlotRanges(slots)}`;
    if (node.lb !== undefined) value += `${slots.length > 0 ? ' ' : ''}${node.lb.host} ${node.lb.port}`;
    lines.push(`node ${configValue(value)}`);
  });
  return `${lines.join('\n')}\n`;
}

/** Ids may be any characters: a value that the configuration syntax would take apart is quoted. */
function configValue(value: string): string {
  return /["'#\\]|[^\x20-\x7e]/.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : value;
}

interface Contents {
  version: Version | undefined;
  selfId: NodeId | undefined;
  announcedNodes: number | undefined;
  readonly seen: Set<string>;
  readonly nodeLines: NumberedLine[];
}

/**
 * Reads nodes.conf, Kvrocks' or ours.
 * @returns the topology; or a refusal whose `line` is a line of the file and whose reason says what is wrong with it.
 */
export function parseNodesConf(text: string): Topology | TopologyRefusal {
  const lines = text.split('\n');
  if (lines.pop() !== '') {
    const reason = 'the last line has no newline: the file was cut off while it was written';
    return new TopologyRefusal(reason, { line: lines.length + 1 });
  }
  const contents: Contents = {
    version: undefined,
    selfId: undefined,
    announcedNodes: undefined,
    seen: new Set(),
    nodeLines: [],
  };
  for (const [index, line] of lines.entries()) {
    const refusal = takeLine({ number: index + 1, text: line }, contents);
    if (refusal) return refusal;
  }
  return assemble(contents, lines.length);
}

function takeLine({ number, text }: NumberedLine, contents: Contents): TopologyRefusal | undefined {
  const announced = announcement.exec(text)?.[1];
  if (announced !== undefined) contents.announcedNodes = Number(announced);
  const entry = parseConfigLine(text);
  const refuse = (reason: string): TopologyRefusal => new TopologyRefusal(reason, { line: number });
  if (entry === undefined) return refuse('malformed line: a quote is not closed');
  const { key, value } = entry;
  if (key === '' || value === '') return undefined;
  if (key === 'node') {
    contents.nodeLines.push({ number, text: value });
    return undefined;
  }
  if (key !== 'version' && key !== 'id') return refuse(`unknown key: ${key.replaceAll(/[^\x21-\x7e]/g, '?')}`);
  if (contents.seen.has(key)) return refuse(`${key} is given twice`);
  contents.seen.add(key);
  if (key === 'id') {
    if (!isNodeId(value)) return refuse(nodeErrors.id);
    contents.selfId = value;
    return undefined;
  }
  contents.version = parseVersion(value);
  if (contents.version === undefined || contents.version < noVersion) return refuse(topologyErrors.version);
  return undefined;
}

function assemble(contents: Contents, lastLine: number): Topology | TopologyRefusal {
  const { version, selfId, announcedNodes, nodeLines } = contents;
  const line = Math.max(1, lastLine);
  if (version === undefined) return new TopologyRefusal('no version line: the file was cut off', { line });
  if (announcedNodes !== undefined && announcedNodes !== nodeLines.length) {
    const reason = `${announcedNodes} nodes are announced, ${nodeLines.length} follow: the file was cut off or edited`;
    return new TopologyRefusal(reason, { line });
  }
  const [first] = nodeLines;
  // A node that was only told its id (SETNODEID) has no topology yet; stock Kvrocks does not start on its own such file.
  if (version < 0n) {
    if (first === undefined) return Topology.uninitialized(selfId);
    return new TopologyRefusal(`node lines in a file of version ${version}`, { line: first.number });
  }
  if (first === undefined)
    return new TopologyRefusal(`version ${version} without any node: the file was cut off`, { line });
  const parsed = parseNodeLines(nodeLines);
  return parsed instanceof TopologyRefusal ? parsed : Topology.of(parsed, version, selfId);
}

/**
 * One line of Kvrocks' configuration syntax: a word, blanks, a value. `#` outside quotes starts a comment; a value in
 * double or single quotes may contain it, with `\` before a quote or another `\`.
 * @returns undefined when a quote is not closed.
 */
function parseConfigLine(line: string): { key: string; value: string } | undefined {
  const [, key = '', rest = ''] = /^[ \t]*([^ \t#]*)[ \t]*(.*)$/s.exec(line) ?? [];
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return { key, value: (rest.split('#', 1)[0] ?? '').replace(/[ \t]+$/, '') };
  let value = '';
  for (let at = 1; at < rest.length; at++) {
    const character = rest[at] ?? '';
    if (character === '\\') value += rest[++at] ?? '';
    else if (character !== quote) value += character;
    else return /^[ \t]*(#.*)?$/s.test(rest.slice(at + 1)) ? { key, value } : undefined;
  }
  return undefined;
}
