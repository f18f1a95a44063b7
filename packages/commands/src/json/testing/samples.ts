/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['JSON.SET json:a $ {"n":1,"s":"x","t":true,"l":[1,2,3],"o":{"k":1}}', 'JSON.SET json:b $ [1]'],
  samples: [
    'json.set json:a $.n 2 XX',
    'json.get json:a INDENT x NEWLINE y SPACE z $.n $.s',
    'json.info json:a',
    'json.type json:a $.n',
    'json.arrappend json:a $.l 4 5',
    'json.arrinsert json:a $.l 1 4 5',
    'json.arrtrim json:a $.l 1 2',
    'json.arrpop json:a $.l 0',
    'json.arrindex json:a $.l 2 0 3',
    'json.arrlen json:a $.l',
    'json.toggle json:a $.t',
    'json.merge json:a $ {"n":null}',
    'json.clear json:a $.l',
    'json.del json:a $.l',
    'json.forget json:a $.l',
    'json.numincrby json:a $.n 2',
    'json.nummultby json:a $.n 2',
    'json.objkeys json:a $.o',
    'json.objlen json:a $.o',
    'json.strappend json:a $.s "y"',
    'json.strlen json:a $.s',
    'json.mget json:a json:b $',
    'json.mset json:a $.n 2 json:b $ 3',
    'json.resp json:a $',
    'json.debug memory json:a $.l',
  ],
  typeless: ['json.mget'],
};
