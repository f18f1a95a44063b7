export { formatComparison, type PeerReport } from './comparison.ts';
export { peerCases, playOnPeer, requirePeer, type Peer, type PlayedPeer } from './play-peer.ts';
