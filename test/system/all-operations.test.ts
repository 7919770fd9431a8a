import { createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, verify } from 'node:crypto'
import type { KeySpec, KeyUsageType } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { contracts } from '../../src/api/operations.js'
import { refusal } from '../support/clients.js'
import { importedKey, wrapMaterial } from '../support/import-material.js'
import { suite, newUser } from './suite.js'
import { inCustomKeyStore } from './with-custom-key-store.js'

const message = Buffer.from('all operations')
const region = 'us-east-1'
const replicaRegion = 'eu-west-3'

/** What an AWS program would write, one operation after the other, on keys of every kind. */
describe('every operation of the API, through the SDK', () => {
  const custom = inCustomKeyStore()
  const on = suite({ settings: custom.settings })
  const called = new Set<string>()
  let symmetric = ''

  before(async () => {
    on.kms.middlewareStack.add((next, context) => async args => {
      called.add(String(context.commandName).replace(/Command$/, ''))
      return next(args)
    }, { step: 'initialize' })
    const { KeyMetadata: { Arn: arn = '' } = {} } = await on.kms.createKey({ Description: 'all operations' })
    symmetric = arn
  })

  async function key(KeySpec: KeySpec, KeyUsage: KeyUsageType): Promise<string> {
    return (await on.kms.createKey({ KeySpec, KeyUsage })).KeyMetadata?.Arn ?? ''
  }

  it('describes and manages a key', async () => {
    const { kms } = on
    await kms.updateKeyDescription({ KeyId: symmetric, Description: 'described' })
    await kms.tagResource({ KeyId: symmetric, Tags: [{ TagKey: 'a', TagValue: '1' }, { TagKey: 'b', TagValue: '2' }] })
    await kms.untagResource({ KeyId: symmetric, TagKeys: ['a'] })
    expect((await kms.listResourceTags({ KeyId: symmetric })).Tags).to.deep.equal([{ TagKey: 'b', TagValue: '2' }])
    const { KeyMetadata: metadata } = await kms.describeKey({ KeyId: symmetric })
    expect(metadata).to.include({ Description: 'described', KeySpec: 'SYMMETRIC_DEFAULT', KeyState: 'Enabled', KeyManager: 'CUSTOMER' })
    expect((await kms.listKeys({})).Keys?.map(({ KeyArn }) => KeyArn)).to.include(symmetric)
    await kms.disableKey({ KeyId: symmetric })
    expect((await refusal(kms.encrypt({ KeyId: symmetric, Plaintext: message }))).code).to.equal('DisabledException')
    await kms.enableKey({ KeyId: symmetric })
    const { Policy: policy } = await kms.getKeyPolicy({ KeyId: symmetric })
    await kms.putKeyPolicy({ KeyId: symmetric, Policy: policy })
    expect((await kms.listKeyPolicies({ KeyId: symmetric })).PolicyNames).to.deep.equal(['default'])
  })

  it('names a key by aliases', async () => {
    const { kms } = on
    await kms.createAlias({ AliasName: 'alias/all', TargetKeyId: symmetric })
    const other = (await kms.createKey({})).KeyMetadata?.KeyId
    await kms.updateAlias({ AliasName: 'alias/all', TargetKeyId: other })
    const { Aliases: aliases } = await kms.listAliases({ KeyId: other })
    expect(aliases?.map(({ AliasName }) => AliasName)).to.deep.equal(['alias/all'])
    await kms.deleteAlias({ AliasName: 'alias/all' })
  })

  it('encrypts, decrypts and re-encrypts', async () => {
    const { kms } = on
    const EncryptionContext = { tenant: 'a' }
    const { CiphertextBlob: blob } = await kms.encrypt({ KeyId: symmetric, Plaintext: message, EncryptionContext })
    const rsa = await key('RSA_2048', 'ENCRYPT_DECRYPT')
    const { CiphertextBlob: again, SourceKeyId } = await kms.reEncrypt({
      CiphertextBlob: blob, SourceEncryptionContext: EncryptionContext, DestinationKeyId: rsa,
      DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256',
    })
    expect(SourceKeyId).to.equal(symmetric)
    const { Plaintext: opened } = await kms.decrypt({ KeyId: rsa, CiphertextBlob: again, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' })
    expect(Buffer.from(opened ?? [])).to.deep.equal(message)
  })

  it('makes data keys, data key pairs and random bytes', async () => {
    const { kms } = on
    const { Plaintext: plaintext, CiphertextBlob: blob } = await kms.generateDataKey({ KeyId: symmetric, KeySpec: 'AES_256' })
    expect(Buffer.from((await kms.decrypt({ CiphertextBlob: blob })).Plaintext ?? [])).to.deep.equal(Buffer.from(plaintext ?? []))
    await kms.generateDataKeyWithoutPlaintext({ KeyId: symmetric, NumberOfBytes: 64 })
    const pair = await kms.generateDataKeyPair({ KeyId: symmetric, KeyPairSpec: 'ECC_NIST_P256' })
    const privateKey = createPrivateKey({ key: Buffer.from(pair.PrivateKeyPlaintext ?? []), format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
    expect(spki).to.deep.equal(Buffer.from(pair.PublicKey ?? []))
    const { PrivateKeyCiphertextBlob } = await kms.generateDataKeyPairWithoutPlaintext({ KeyId: symmetric, KeyPairSpec: 'RSA_2048' })
    const { Plaintext: rsa } = await kms.decrypt({ CiphertextBlob: PrivateKeyCiphertextBlob })
    const { asymmetricKeyDetails } = createPrivateKey({ key: Buffer.from(rsa ?? []), format: 'der', type: 'pkcs8' })
    expect(asymmetricKeyDetails?.modulusLength).to.equal(2048)
    expect((await kms.generateRandom({ NumberOfBytes: 32 })).Plaintext).to.have.length(32)
  })

  it('signs and verifies', async () => {
    const { kms } = on
    const KeyId = await key('ECC_NIST_P256', 'SIGN_VERIFY')
    const input = { KeyId, Message: message, SigningAlgorithm: 'ECDSA_SHA_256' } as const
    const { Signature } = await kms.sign(input)
    expect((await kms.verify({ ...input, Signature })).SignatureValid).to.equal(true)
    const { PublicKey: spki } = await kms.getPublicKey({ KeyId })
    const publicKey = createPublicKey({ key: Buffer.from(spki ?? []), format: 'der', type: 'spki' })
    expect(verify('sha256', message, publicKey, Signature ?? new Uint8Array())).to.equal(true)
  })

  it('makes and verifies MACs', async () => {
    const { kms } = on
    const input = { KeyId: await key('HMAC_256', 'GENERATE_VERIFY_MAC'), Message: message, MacAlgorithm: 'HMAC_SHA_256' } as const
    const { Mac } = await kms.generateMac(input)
    expect((await kms.verifyMac({ ...input, Mac })).MacValid).to.equal(true)
  })

  it('agrees on a shared secret', async () => {
    const { kms } = on
    const KeyId = await key('ECC_NIST_P256', 'KEY_AGREEMENT')
    const peer = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const PublicKey = peer.publicKey.export({ format: 'der', type: 'spki' })
    const { SharedSecret } = await kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey })
    const { PublicKey: own } = await kms.getPublicKey({ KeyId })
    const publicKey = createPublicKey({ key: Buffer.from(own ?? []), format: 'der', type: 'spki' })
    expect(Buffer.from(SharedSecret ?? [])).to.deep.equal(diffieHellman({ privateKey: peer.privateKey, publicKey }))
  })

  it('says plainly that SoftHSM has no ML-KEM', async () => {
    const { kms } = on
    const create = kms.createKey({ KeySpec: 'ML_KEM_768', KeyUsage: 'ENCAPSULATE_DECAPSULATE' })
    expect((await refusal(create)).code).to.equal('UnsupportedOperationException')
    const input = { KeyId: symmetric, EncapsulationAlgorithm: 'ML_KEM' } as const
    expect((await refusal(kms.encapsulate(input))).code).to.equal('InvalidKeyUsageException')
    const decapsulate = kms.decapsulate({ ...input, SharedSecretCiphertextBlob: new Uint8Array(1088) })
    expect((await refusal(decapsulate)).code).to.equal('InvalidKeyUsageException')
  })

  it('imports key material, and deletes it', async () => {
    const { kms } = on
    const material = createHash('sha256').update('material').digest()
    const KeyId = await importedKey(kms, material, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })
    const { Mac } = await kms.generateMac({ KeyId, Message: message, MacAlgorithm: 'HMAC_SHA_256' })
    expect(Buffer.from(Mac ?? [])).to.deep.equal(createHmac('sha256', material).update(message).digest())
    await kms.deleteImportedKeyMaterial({ KeyId })
    expect((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState).to.equal('PendingImport')
    const wrapping = { WrappingAlgorithm: 'RSA_AES_KEY_WRAP_SHA_256', WrappingKeySpec: 'RSA_2048' } as const
    const { PublicKey: publicKey = new Uint8Array(), ImportToken } = await kms.getParametersForImport({ KeyId, ...wrapping })
    const EncryptedKeyMaterial = wrapMaterial(publicKey, material, { algorithm: wrapping.WrappingAlgorithm })
    const ValidTo = new Date(Date.now() + 3_600_000)
    await kms.importKeyMaterial({ KeyId, ImportToken, EncryptedKeyMaterial, ValidTo })
    expect((await kms.describeKey({ KeyId })).KeyMetadata).to.include({ KeyState: 'Enabled', ExpirationModel: 'KEY_MATERIAL_EXPIRES' })
  })

  it('rotates', async () => {
    const { kms } = on
    await kms.enableKeyRotation({ KeyId: symmetric, RotationPeriodInDays: 90 })
    expect((await kms.getKeyRotationStatus({ KeyId: symmetric })).RotationPeriodInDays).to.equal(90)
    await kms.disableKeyRotation({ KeyId: symmetric })
    await kms.rotateKeyOnDemand({ KeyId: symmetric })
    expect((await kms.listKeyRotations({ KeyId: symmetric })).Rotations).to.have.length(1)
  })

  it('grants', async () => {
    const { kms } = on
    const principal = await newUser(on.server, 'grantee')
    const grant = { KeyId: symmetric, GranteePrincipal: principal, RetiringPrincipal: principal, Operations: ['Decrypt' as const] }
    const [first, second] = [await kms.createGrant({ ...grant, Name: 'one' }), await kms.createGrant(grant)]
    expect((await kms.createGrant({ ...grant, Name: 'one' })).GrantId).to.equal(first.GrantId)
    expect((await kms.listGrants({ KeyId: symmetric })).Grants).to.have.length(2)
    expect((await kms.listRetirableGrants({ RetiringPrincipal: principal })).Grants).to.have.length(2)
    await kms.retireGrant({ GrantToken: first.GrantToken })
    await kms.revokeGrant({ KeyId: symmetric, GrantId: second.GrantId })
    expect((await kms.listGrants({ KeyId: symmetric })).Grants).to.have.length(0)
  })

  it('keeps one key in several regions', async () => {
    const { kms } = on
    const { KeyMetadata: { KeyId: id = '', Arn: arn = '' } = {} } = await kms.createKey({ MultiRegion: true })
    const { ReplicaKeyMetadata: replica } = await kms.replicateKey({ KeyId: id, ReplicaRegion: replicaRegion })
    expect(replica?.Arn).to.equal(arn.replace(region, replicaRegion))
    await kms.updatePrimaryRegion({ KeyId: id, PrimaryRegion: replicaRegion })
    const { KeyMetadata: { MultiRegionConfiguration: regions } = {} } = await kms.describeKey({ KeyId: id })
    expect(regions).to.deep.include({ MultiRegionKeyType: 'REPLICA', ReplicaKeys: [{ Arn: arn, Region: region }] })
  })

  it('keeps keys in a custom key store', async () => {
    const { kms } = on
    await custom.create(on)
    await kms.updateCustomKeyStore({ CustomKeyStoreId: custom.id, NewCustomKeyStoreName: 'renamed' })
    await custom.connect()
    const { KeyMetadata: made } = await kms.createKey({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: custom.id })
    const KeyId = made?.KeyId
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: message })
    await custom.disconnect()
    expect((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState).to.equal('Unavailable')
    expect((await refusal(kms.decrypt({ CiphertextBlob }))).code).to.equal('KMSInvalidStateException')
    const deletion = kms.deleteCustomKeyStore({ CustomKeyStoreId: custom.id })
    expect((await refusal(deletion)).code).to.equal('CustomKeyStoreHasCMKsException')
    await custom.connect()
    expect(Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext ?? [])).to.deep.equal(message)
  })

  it('tells the last use of a key', async () => {
    const { kms } = on
    const unused = (await kms.createKey({})).KeyMetadata?.KeyId
    expect((await kms.getKeyLastUsage({ KeyId: unused })).KeyLastUsage).to.deep.equal({})
    await kms.encrypt({ KeyId: symmetric, Plaintext: message })
    expect((await kms.getKeyLastUsage({ KeyId: symmetric })).KeyLastUsage?.Operation).to.equal('Encrypt')
  })

  it('schedules a deletion and cancels it', async () => {
    const { kms } = on
    expect((await kms.scheduleKeyDeletion({ KeyId: symmetric, PendingWindowInDays: 7 })).KeyState).to.equal('PendingDeletion')
    await kms.cancelKeyDeletion({ KeyId: symmetric })
    expect((await kms.describeKey({ KeyId: symmetric })).KeyMetadata?.KeyState).to.equal('Disabled')
  })

  it('has called all 56', () => {
    expect([...called].sort()).to.deep.equal([...contracts.keys()].sort())
  })
})
