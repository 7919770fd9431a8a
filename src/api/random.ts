import {
  recipientInfo,
} from './structures.js'
import { contract } from './shape.js'

export const generateRandom = contract({
  name: 'GenerateRandom',
  input: {
    NumberOfBytes: { type: 'integer', min: 1, max: 1024 },
    CustomKeyStoreId: { type: 'string', min: 1, max: 64 },
    Recipient: { type: 'structure', members: recipientInfo },
  },
  output: {
    Plaintext: { type: 'blob', min: 1, max: 4096, sensitive: true },
    CiphertextForRecipient: { type: 'blob', min: 1, max: 6144 },
  },
  errors: ['CustomKeyStoreInvalidStateException', 'CustomKeyStoreNotFoundException', 'DependencyTimeoutException', 'KMSInternalException', 'UnsupportedOperationException'],
})
