import { closeSync, openSync, readFileSync, renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { environmentOf, spawnProgram, temporaryDirectory, type RunningProgram, type SpawnOptions } from '../support/server.js'
import { freshToken, pinFileOf } from '../support/softhsm.js'
import { claviger } from './claviger.js'

const waitMsMax = 30_000

/** Of the newest server that the supervisor has started. */
function serverPids({ output }: RunningProgram): readonly number[] {
  return [...output().matchAll(/"message":"started the server".*?"pid":(\d+)|"pid":(\d+).*?"message":"started the server"/g)]
    .map(([, after, before]) => Number(after ?? before))
}

function listenings({ output }: RunningProgram): number {
  return output().match(/"message":"listening"/g)?.length ?? 0
}

async function until(what: string, running: RunningProgram, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + waitMsMax
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${waitMsMax} ms\n${running.output()}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that has ended but was not waited for yet does nothing any more.
    return !/^\d+ \(.*\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

describe('the supervisor', function () {
  this.timeout(90_000)
  let running: RunningProgram | undefined
  afterEach(async () => {
    running?.child.kill('SIGTERM')
    await running?.exited
    running = undefined
  })

  async function started(settings: object = {}, options: SpawnOptions = {}): Promise<RunningProgram> {
    const program = spawnProgram(['server'], { dataDir: temporaryDirectory(), settings, ...options })
    running = program
    await until('listening', program, () => listenings(program) === 1)
    return program
  }

  it('starts another server when one is killed', async () => {
    const program = await started()
    process.kill(serverPids(program)[0] as number, 'SIGKILL')
    await until('another server', program, () => listenings(program) === 2)
    expect(program.output()).to.match(/"message":"the server ended, starting another"/)
    expect(program.child.exitCode).to.equal(null)
  })

  it('kills a server that hangs, and starts another', async () => {
    const program = await started({ supervisor: { hangSeconds: 2 } })
    const [pid = 0] = serverPids(program)
    // As a call into a library that never returns: nothing in the process runs any more.
    process.kill(pid, 'SIGSTOP')
    await until('another server', program, () => listenings(program) === 2)
    expect(isAlive(pid)).to.equal(false)
    expect(program.output()).to.match(/"message":"the server hangs, killing it"/)
  })

  it('stops its server and ends with 0 when it is told to stop', async () => {
    const program = await started()
    const [pid = 0] = serverPids(program)
    program.child.kill('SIGTERM')
    expect(await program.exited).to.include({ code: 0, signal: null })
    expect(isAlive(pid)).to.equal(false)
    expect(program.output()).to.match(/"message":"stopped"/)
  })

  it('takes its server with it when it is killed', async () => {
    const program = await started()
    const [pid = 0] = serverPids(program)
    program.child.kill('SIGKILL')
    await program.exited
    await until('the end of the server', program, () => !isAlive(pid))
  })

  it('does not try again what another start would not cure', async () => {
    const listener = createServer()
    await new Promise<void>(resolve => { listener.listen(0, '127.0.0.1', resolve) })
    try {
      const { port } = listener.address() as { port: number }
      const { exited } = spawnProgram(['server'], { dataDir: temporaryDirectory(), environment: { CLAVIGER_LISTEN: `127.0.0.1:${port}` } })
      const { code, output } = await exited
      expect(code).to.equal(1)
      expect(output).to.match(/address already in use/)
      expect(output).not.to.match(/starting another/)
    } finally {
      listener.close()
    }
  })

  it('ends with 0 when it is told to stop while its server starts, which spoils nothing', async () => {
    const dataDir = temporaryDirectory()
    const program = spawnProgram(['server'], { dataDir })
    await until('a server', program, () => serverPids(program).length === 1)
    program.child.kill('SIGTERM')
    expect(await program.exited).to.include({ code: 0, signal: null })
    expect(isAlive(serverPids(program)[0] as number)).to.equal(false)
    await started({}, { dataDir })
  })

  it('waits for an HSM that is away, and can be told to stop meanwhile', async () => {
    const token = await freshToken()
    const tokens = join(dirname(pinFileOf(token)), 'tokens')
    const { module, tokenLabel, environment } = token
    const settings = { hsm: { module, tokenLabel, environment, pinFile: pinFileOf(token) } }
    renameSync(tokens, `${tokens}.away`)
    const stopped = spawnProgram(['server'], { dataDir: temporaryDirectory(), settings })
    await until('the second attempt', stopped, () => serverPids(stopped).length === 2)
    await until('the pause after it', stopped, () => stopped.output().includes('"delayMs":1000'))
    stopped.child.kill('SIGTERM')
    expect(await stopped.exited).to.include({ code: 0, signal: null })
    expect(stopped.output()).to.match(/"code":69/)
    const program = spawnProgram(['server'], { dataDir: temporaryDirectory(), settings })
    running = program
    await until('the first attempt', program, () => program.output().includes('"delayMs":500'))
    renameSync(`${tokens}.away`, tokens)
    await until('listening', program, () => listenings(program) === 1)
  })

  it('gives every server the PIN that it was given by descriptor, for as many stores as read it there', async () => {
    const token = await freshToken()
    const { module, tokenLabel, environment } = token
    const store = { module, tokenLabel, pinDescriptor: 3, profile: 'softhsm' }
    const settings = {
      hsm: { ...store, environment },
      // Only a test has one token twice.
      keyStores: { other: { ...store, environment: { ...environment, OTHER: 'yes' }, host: 'process', lanes: { count: 1 } } },
    }
    const descriptor = openSync(pinFileOf(token), 'r')
    const program = await started(settings, { descriptors: [descriptor] })
    closeSync(descriptor)
    process.kill(serverPids(program)[0] as number, 'SIGKILL')
    await until('another server', program, () => listenings(program) === 2)
    for (const keyStore of ['default', 'other']) {
      const logins = program.output().match(new RegExp(`"message":"logged in to the HSM","keyStore":"${keyStore}"`, 'g'))
      expect(logins?.length, keyStore).to.be.at.least(2)
    }
    expect(program.output()).to.not.include(readFileSync(pinFileOf(token), 'utf8').trim())
  })

  it('outlives a server that ends before it has read its PIN', async () => {
    const token = await freshToken()
    const { module, tokenLabel, environment } = token
    const dataDir = temporaryDirectory()
    const settings = { hsm: { module, tokenLabel, environment, pinDescriptor: 3 } }
    const descriptor = openSync(pinFileOf(token), 'r')
    await started(settings, { descriptors: [descriptor], dataDir })
    // The data directory is taken.
    const again = openSync(pinFileOf(token), 'r')
    const { code, output } = await spawnProgram(['server'], { dataDir, settings, descriptors: [again] }).exited
    for (const each of [descriptor, again]) closeSync(each)
    expect(code).to.equal(1)
    expect(output).to.match(/already served by another process/).and.to.not.match(/ECONNRESET|node:/)
  })

  it('says which descriptor has no PIN', async () => {
    const { module, tokenLabel, environment } = await freshToken()
    // Where Node.js has descriptors of its own, and where nothing is.
    for (const pinDescriptor of [3, 4, 5, 900]) {
      const settings = { hsm: { module, tokenLabel, environment, pinDescriptor } }
      const { code, stderr } = await claviger(['server'], undefined, { ...environmentOf(temporaryDirectory(), settings) })
      expect(code).to.equal(1)
      expect(stderr).to.equal(`claviger: the PIN cannot be read from the file descriptor ${pinDescriptor}\n`)
    }
  })

  it('goes on when nobody reads what it writes', async () => {
    const dataDir = temporaryDirectory()
    const program = await started({}, { dataDir })
    program.child.stdout.destroy()
    program.child.stderr.destroy()
    process.kill(serverPids(program)[0] as number, 'SIGKILL')
    const deadline = Date.now() + waitMsMax
    while ((await claviger(['hsm', 'watch', '--once'], dataDir)).code !== 0 && Date.now() < deadline);
    expect((await claviger(['hsm', 'watch', '--once'], dataDir)).code).to.equal(0)
    expect(program.child.exitCode).to.equal(null)
  })

  it('does not try a refused PIN again', async () => {
    const dataDir = temporaryDirectory()
    const first = spawnProgram(['server'], { dataDir })
    await until('listening', first, () => listenings(first) === 1)
    first.child.kill('SIGTERM')
    await first.exited
    const token = join(dataDir, 'softhsm')
    const module = /"module":"([^"]+)"/.exec(first.output())?.[1] ?? '/usr/lib/softhsm/libsofthsm2.so'
    const settings = {
      hsm: {
        module, tokenLabel: 'claviger', pinEnvironment: 'WRONG_PIN', profile: 'softhsm',
        environment: { SOFTHSM2_CONF: join(token, 'softhsm2.conf') },
      },
    }
    for (const round of ['refused', 'not tried again']) {
      const { code, output } = await spawnProgram(['server'], { dataDir, settings, environment: { WRONG_PIN: 'not-the-pin' } }).exited
      expect(code, round).to.equal(78)
      expect(output).not.to.match(/starting another/)
      expect(output).not.to.include('not-the-pin')
      expect(output, round).to.include('pin-refused')
    }
  })
})
