import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { chooseProfile } from '../src/adapters/pkcs11/profiles/choose.js'
import { readConfig } from '../src/config.js'

const nobody = { manufacturer: '', model: '', libraryDescription: '' }

describe('the configuration files for HSMs', () => {
  for (const name of readdirSync('hsm-config').filter(file => file.endsWith('.yaml'))) {
    it(`${name} can be used as it is`, () => {
      const { hsm, keyStores } = readConfig({ CLAVIGER_CONFIG: join('hsm-config', name), CREDENTIALS_DIRECTORY: '/run/credentials' })
      for (const store of [hsm, ...Object.values(keyStores)]) {
        if (store.profile !== undefined) expect(chooseProfile(nobody, store.profile).name).to.equal(store.profile)
      }
    })
  }
})
