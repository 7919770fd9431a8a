import { expect } from 'chai'
import {
  certificateOf, clusterIdOf, clusterIdPattern, customKeyStoreIdBytes, newCustomKeyStoreId,
} from '../../src/domain/custom-key-store.js'
import { selfSigned } from '../http/self-signed.js'

describe('custom key stores', () => {
  it('have a cluster id that follows from the name of the key store, in every release the same', () => {
    expect(clusterIdOf('usb-2')).to.equal('cluster-mtxsny5zszx')
    for (const name of ['', 'a', 'ä', 'x'.repeat(64)]) expect(clusterIdOf(name)).to.match(clusterIdPattern)
  })

  it('have an id of 17 hex digits', () => {
    expect(newCustomKeyStoreId(new Uint8Array(customKeyStoreIdBytes).fill(0xa5))).to.equal('cks-a5a5a5a5a5a5a5a5a')
  })

  describe('a trust anchor', () => {
    const { certificate, key } = selfSigned()

    it('is one certificate, however its lines end', () => {
      const der = certificateOf(certificate)
      expect(der?.toString('base64')).to.equal(certificate.split('\n')[1])
      for (const same of [certificate.replaceAll('\n', '\r\n'), `\n${certificate}\n`, certificate.trimEnd()]) {
        expect(certificateOf(same)?.equals(der ?? new Uint8Array())).to.equal(true)
      }
    })

    it('is nothing else', () => {
      const damaged = certificate.replace(/[A-Za-z0-9+/](?=.{40}\n)/, '')
      for (const text of ['', 'certificate', certificate + certificate, key, certificate + key, damaged, `a${certificate}`]) {
        expect(certificateOf(text)).to.equal(undefined)
      }
    })
  })
})
