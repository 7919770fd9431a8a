import { expect } from 'chai'
import { OpenedKeyStores } from '../../src/compose/key-stores.js'
import { backingKey } from '../../src/domain/material.js'
import { HsmError, type Hsm, type HsmErrorKind } from '../../src/ports/hsm.js'
import { RecordedLog } from '../support/recorded.js'
import { rejected } from '../support/refusal.js'

const material = backingKey('3b1c8a52-7d55-4f3e-9d3e-0f6f6f1a2b3c', 1, 'gcm')
const bytes = new Uint8Array(32)
const sealed = { iv: new Uint8Array(12), ciphertext: new Uint8Array(16) }

/** Every call of the port. */
const calls: Readonly<Record<string, (hsm: Hsm) => Promise<unknown>>> = {
  seal: hsm => hsm.seal(material, bytes, bytes),
  open: hsm => hsm.open(material, sealed, bytes),
  mac: hsm => hsm.mac(material, bytes),
  sign: hsm => hsm.sign(material, 'ECDSA_SHA_256', bytes),
  publicKey: hsm => hsm.publicKey(material),
  random: hsm => hsm.random(1),
  createMaterial: hsm => hsm.createMaterial(material),
  destroyMaterial: hsm => hsm.destroyMaterial(material),
  find: hsm => hsm.find(material),
  list: hsm => hsm.list(),
  capacity: hsm => hsm.capacity(),
  probe: hsm => hsm.probe(),
}

/** Answers every call with its name. */
function answering(closed: string[] = [], name = ''): Hsm {
  const methods = Object.fromEntries(Object.keys(calls).map(method => [method, async () => method]))
  return { ...methods, suite: 'gcm', status: () => ({ host: 'inline' }), close: async () => { closed.push(name) } } as unknown as Hsm
}

const kindOf = (act: Promise<unknown>): Promise<HsmErrorKind> => rejected(act, HsmError).then(({ kind }) => kind)

describe('the key stores of a server', () => {
  const opened: OpenedKeyStores[] = []
  let log: RecordedLog
  beforeEach(() => { log = new RecordedLog() })
  afterEach(async () => {
    for (const stores of opened.splice(0)) await stores.close()
  })

  async function open(one: (name: string) => Promise<Hsm>, others: readonly string[] = ['other']): Promise<OpenedKeyStores> {
    const stores = await OpenedKeyStores.open({ roots: 'default', others, forNewKeys: 'other', open: one, log })
    opened.push(stores)
    stores.openOthers()
    return stores
  }

  /** Opens the stores named as `down` when they are let up. */
  function gate(down: string[], kind: HsmErrorKind = 'lost') {
    const attempts: string[] = []
    async function one(name: string): Promise<Hsm> {
      attempts.push(name)
      if (down.includes(name)) throw new HsmError(kind, `the device of ${name} is gone`)
      return answering()
    }
    return { attempts, one }
  }

  it('are reached by their names, that of the roots first', async () => {
    const stores = await open(async () => answering(), ['a', 'b'])
    await stores.tried()
    expect(stores.names).to.deep.equal(['default', 'a', 'b'])
    expect(stores.get('default')).to.equal(stores.roots)
    expect(stores.forNewKeys).to.equal('other')
    for (const [method, call] of Object.entries(calls)) {
      for (const name of stores.names) expect(await call(stores.get(name))).to.equal(method)
    }
    expect(() => stores.get('c')).to.throw(HsmError, 'no key store c').with.property('kind', 'lost')
  })

  it('cannot be had without that of the roots', async () => {
    const { one, attempts } = gate(['default'])
    expect(await kindOf(open(one))).to.equal('lost')
    expect(attempts).to.deep.equal(['default'])
  })

  it('refuse every call of one that is not there yet, and nobody else\'s', async () => {
    const stores = await open(gate(['a']).one, ['a', 'b'])
    await stores.tried()
    for (const [method, call] of Object.entries(calls)) {
      expect(await kindOf(call(stores.get('a'))), method).to.equal('lost')
      expect(await call(stores.get('b'))).to.equal(method)
    }
    expect(() => stores.get('a').suite).to.throw(HsmError).with.property('kind', 'lost')
    const { circuit, token, suite, calls: { refused } } = stores.get('a').status()
    expect({ circuit, token, suite, refused }).to.deep.equal({
      circuit: 'open', token: undefined, suite: undefined, refused: Object.keys(calls).length + 1,
    })
  })

  it('come up by themselves, and say so', async () => {
    const down = ['other']
    const stores = await open(gate(down).one)
    const told: string[] = []
    await stores.tried()
    const up = new Promise<void>(resolve => {
      stores.onOpened(name => {
        told.push(name)
        if (name === 'other') resolve()
      })
    })
    expect(told).to.deep.equal(['default'])
    down.length = 0
    await up
    expect(told).to.deep.equal(['default', 'other'])
    expect(stores.get('other').suite).to.equal('gcm')
    expect(await stores.get('other').list()).to.equal('list')
  })

  it('say once why one is not there, and not at every attempt', async () => {
    const down = ['other']
    const { one, attempts } = gate(down)
    await open(one)
    while (attempts.length < 4) await new Promise(resolve => { setTimeout(resolve, 20) })
    const errors = log.entries.filter(({ level }) => level === 'error')
    expect(errors.map(({ fields }) => fields?.keyStore)).to.deep.equal(['other'])
  })

  it('never try a refused PIN again', async () => {
    const { one, attempts } = gate(['other'], 'login')
    const stores = await open(one)
    await stores.tried()
    // Longer than the pause before a second attempt.
    await new Promise(resolve => { setTimeout(resolve, 600) })
    expect(attempts).to.deep.equal(['default', 'other'])
    expect(stores.get('other').status().circuit).to.equal('refused')
    expect(await kindOf(stores.get('other').random(1))).to.equal('login')
  })

  it('do not wait long for one that hangs when they are closed, and close it if it comes after all', async () => {
    const closed: string[] = []
    let letGo: (() => void) | undefined
    const stores = await open(name => name === 'default' ? Promise.resolve(answering(closed, name)) : new Promise(resolve => {
      letGo = () => resolve(answering(closed, name))
    }))
    await stores.close()
    opened.splice(0)
    expect(closed).to.deep.equal(['default'])
    letGo?.()
    await new Promise(resolve => setImmediate(resolve))
    expect(closed).to.deep.equal(['default', 'other'])
  }).timeout(10_000)

  it('say when two of them are the same token', async () => {
    const token = { label: 'a', serial: '1', manufacturer: 'm', model: 'm' }
    const serials: Readonly<Record<string, string>> = { default: '1', same: '1', other: '2' }
    const stores = await open(async name => ({
      ...answering(), status: () => ({ token: { ...token, serial: serials[name] ?? '' } }),
    }) as unknown as Hsm, ['same', 'other'])
    await stores.tried()
    const said = log.entries.filter(({ message }) => message === 'key stores are the same token')
    expect(said.map(({ fields }) => fields)).to.deep.equal([{ keyStore: 'same', others: ['default'] }])
  })

  it('are all closed, also those that come up meanwhile', async () => {
    const closed: string[] = []
    let release = () => {}
    const released = new Promise<void>(resolve => { release = resolve })
    const stores = await OpenedKeyStores.open({
      roots: 'default', others: ['a', 'slow'], forNewKeys: 'a', log,
      async open(name) {
        if (name === 'slow') await released
        return answering(closed, name)
      },
    })
    stores.openOthers()
    const closing = stores.close()
    release()
    await closing
    expect(closed.toSorted()).to.deep.equal(['a', 'default', 'slow'])
  })

  describe('of which some are disconnected', () => {
    it('are not opened before they are wanted', async () => {
      const { attempts, one } = gate([])
      const stores = await OpenedKeyStores.open({ roots: 'default', others: ['a', 'b'], forNewKeys: 'default', open: one, log })
      opened.push(stores)
      stores.openOthers(name => name === 'a')
      await stores.tried()
      expect(attempts).to.deep.equal(['default', 'a'])
      expect(stores.connection('b')).to.deep.equal({ state: 'disconnected' })
      for (const [method, call] of Object.entries(calls)) expect(await kindOf(call(stores.get('b'))), method).to.equal('lost')
      stores.connect('b')
      await stores.tried()
      for (const [method, call] of Object.entries(calls)) expect(await call(stores.get('b'))).to.equal(method)
    })

    it('are closed and opened anew, as often as wanted, while others stay as they are', async () => {
      const closed: string[] = []
      const stores = await open(async name => answering(closed, name), ['a', 'b'])
      await stores.tried()
      const told: string[] = []
      stores.onOpened(name => told.push(name))
      for (let time = 1; time <= 2; time++) {
        const hsm = stores.get('a')
        const ended = stores.disconnect('a')
        expect(stores.connection('a')).to.deep.equal({ state: 'disconnecting' })
        // Also for who has had it in his hands.
        expect(await kindOf(hsm.probe())).to.equal('lost')
        await ended
        expect(stores.connection('a')).to.deep.equal({ state: 'disconnected' })
        expect(await stores.get('b').probe()).to.equal('probe')
        stores.connect('a')
        stores.connect('a')
        await stores.tried()
        expect(stores.connection('a')).to.deep.equal({ state: 'connected' })
        expect(await stores.get('a').probe()).to.equal('probe')
      }
      expect(closed).to.deep.equal(['a', 'a'])
      expect(told).to.deep.equal(['default', 'a', 'b', 'a', 'a'])
    })

    it('are opened anew only when they are closed', async () => {
      const steps: string[] = []
      let letGo = () => {}
      const stores = await open(async name => {
        steps.push(`open ${name}`)
        return { ...answering(), close: () => new Promise<void>(resolve => { letGo = resolve }) }
      }, ['a'])
      await stores.tried()
      const ended = stores.disconnect('a')
      await new Promise(resolve => setImmediate(resolve))
      stores.connect('a')
      expect(stores.connection('a')).to.deep.equal({ state: 'disconnecting' })
      expect(steps).to.deep.equal(['open default', 'open a'])
      const close = letGo
      close()
      await ended
      await stores.tried()
      expect(steps).to.deep.equal(['open default', 'open a', 'open a'])
      expect(stores.connection('a')).to.deep.equal({ state: 'connected' })
      opened.splice(0)
    })

    it('say what an attempt has ended with, and try again whatever that was', async () => {
      const down = ['a']
      const { one, attempts } = gate(down, 'login')
      const stores = await open(one, ['a'])
      await stores.tried()
      expect(stores.connection('a')).to.have.nested.property('failure.kind', 'login')
      await stores.disconnect('a')
      expect(stores.connection('a')).to.deep.equal({ state: 'disconnected' })
      down.length = 0
      stores.connect('a')
      await stores.tried()
      expect(stores.connection('a').state).to.equal('connected')
      expect(attempts).to.deep.equal(['default', 'a', 'a'])
    })

    it('tell of a device that is lost later, and of a store that there is not', async () => {
      let circuit = 'closed'
      const stores = await open(async () => ({ ...answering(), status: () => ({ circuit }) }) as unknown as Hsm, ['a'])
      await stores.tried()
      expect(stores.connection('a').state).to.equal('connected')
      for (const [is, kind] of [['open', 'lost'], ['refused', 'login']] as const) {
        circuit = is
        expect(stores.connection('a')).to.have.nested.property('failure.kind', kind)
        expect(stores.connection('default').state).to.equal('failed')
      }
      expect(stores.connection('b')).to.deep.equal({ state: 'absent' })
    })

    it('close what comes after all, when it is not wanted any more', async () => {
      const closed: string[] = []
      const letGo: (() => void)[] = []
      const stores = await open(name => name === 'default' ? Promise.resolve(answering()) : new Promise(resolve => {
        letGo.push(() => resolve(answering(closed, `attempt ${letGo.length}`)))
      }), ['a'])
      expect(stores.connection('a')).to.deep.equal({ state: 'connecting' })
      await stores.disconnect('a')
      stores.connect('a')
      for (const come of [...letGo]) come()
      await stores.tried()
      await new Promise(resolve => setImmediate(resolve))
      expect(closed).to.have.length(1)
      expect(await stores.get('a').probe()).to.equal('probe')
    }).timeout(10_000)
  })
})
