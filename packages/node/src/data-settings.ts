/** The directives that commands on data read: at each use, so that CONFIG SET counts at once. */
import type { DataSettings } from '@holdfast/commands';
import type { Config } from './config/index.ts';

export function dataSettings(config: Pick<Config, 'get'>): DataSettings {
  return {
    json: {
      get storageFormat() {
        return config.get('json-storage-format');
      },
      get nestingMax() {
        return config.get('json-max-nesting-depth');
      },
    },
    hashes: {
      get encodingMode() {
        return config.get('hash-encoding-mode');
      },
      get lengthMode() {
        return config.get('hash-length-mode');
      },
    },
    streams: {
      get nodeMaxEntries() {
        return config.get('stream-node-max-entries');
      },
    },
  };
}
