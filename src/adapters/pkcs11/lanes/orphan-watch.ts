import { readSync } from 'node:fs'

/**
 * A thread of a lane process that waits until the server is gone, however it ended, and then ends the lane: the main thread may hang in a
 * vendor's library for ever. Nothing is ever written to this pipe, so its one event is the end.
 */
const serverLives = 4

try {
  readSync(serverLives, Buffer.alloc(1))
} finally {
  process.kill(process.pid, 'SIGKILL')
}
