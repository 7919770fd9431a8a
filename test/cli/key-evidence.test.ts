import { expect } from 'chai'
import { differences } from '../../src/cli/key-evidence.js'
import type { Evidence } from '../../src/domain/key.js'

describe('evidence of a key now, against what was recorded', () => {
  const evidence = (attributes: Evidence['attributes'], object = 'a', readAt = 1): Evidence => ({ object, readAt, attributes })
  const recorded = [evidence({ extractable: false, local: true })]

  for (const [what, now, names] of [
    ['is the same at another time', [evidence({ extractable: false, local: true }, 'a', 2)], []],
    ['is the same when more is read', [evidence({ extractable: false, local: true, id: '00' })], []],
    ['differs in an attribute', [evidence({ extractable: true, local: true })], ['extractable']],
    ['differs in an attribute that cannot be read any more', [evidence({ extractable: false })], ['local']],
    ['differs in an object that is gone', [], ['a']],
    ['differs in an object more', [...recorded, evidence({}, 'b')], ['b']],
  ] as const) {
    it(what, () => {
      expect(differences(recorded, now)).to.deep.equal(names)
    })
  }
})
