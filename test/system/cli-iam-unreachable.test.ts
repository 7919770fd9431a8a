import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { temporaryDirectory } from '../support/server.js'
import { claviger } from './claviger.js'

const waitMs = 120_000

describe('claviger iam without a server', function suiteWithout() {
  this.timeout(waitMs)
  const servers: Server[] = []
  after(() => { for (const server of servers) server.close() })

  /** Something else that listens. */
  async function listening(answer: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(answer)
    servers.push(server)
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const at = (url: string) => ({
    AWS_ACCESS_KEY_ID: 'CVAKAAAAAAAAAAAAAAAA', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL: url,
  })

  it('says where nobody answers', async () => {
    const url = await listening(() => {})
    const closed = servers.pop()
    await new Promise(resolve => { closed?.close(resolve) })
    const { code, stderr } = await claviger(['iam', 'create-user', '--user-name', 'x'], undefined, at(url))
    expect([code, stderr]).to.deep.equal([1, `claviger: no server answers at ${url}: connect ECONNREFUSED ${url.slice(7)}\n`])
  })

  it('says when it is not known whether a change took effect', async () => {
    const url = await listening(request => { request.resume().on('end', () => request.socket.destroy()) })
    const changing = await claviger(['iam', 'create-access-key'], undefined, at(url))
    expect(changing.code).to.equal(1)
    expect(changing.stderr).to.match(new RegExp(`^claviger: no answer came from ${url}: .+\nwhether CreateAccessKey took effect is not`))
    const reading = await claviger(['iam', 'list-users'], undefined, at(url))
    expect(reading.stderr).to.not.include('took effect')
  })

  it('says when something else answers', async () => {
    const url = await listening((_, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<html>'))
    const { code, stderr } = await claviger(['iam', 'list-users'], undefined, at(url))
    expect([code, stderr]).to.deep.equal([1, 'claviger: what answered is no Claviger: status 404\n'])
    const moved = await listening((_, response) => response.writeHead(307, { location: 'http://192.0.2.1/' }).end())
    const redirected = await claviger(['iam', 'list-users'], undefined, at(moved))
    expect(redirected.stderr).to.equal('claviger: what answered is no Claviger: status 307\n')
  })

  it('does not take a profile for leave to be the administrator', async () => {
    const dataDir = temporaryDirectory()
    for (const command of [['iam', 'list-users'], ['key', 'list']]) {
      const { code, stderr } = await claviger(command, dataDir, { AWS_PROFILE: 'dev' })
      expect(code).to.equal(2)
      expect(stderr).to.match(/^claviger: AWS_PROFILE is set \(dev\), and profiles are not read here\. Set AWS_ACCESS_KEY_ID, /)
        .and.to.include(`or unset AWS_PROFILE to act with ${dataDir}/admin.env\n`)
    }
    // With an access key of the environment it says nothing.
    const url = await listening((_, response) => response.writeHead(404).end())
    expect((await claviger(['iam', 'list-users'], dataDir, { ...at(url), AWS_PROFILE: 'dev' })).code).to.equal(1)
  })

  it('says where it looked for credentials', async () => {
    const dataDir = temporaryDirectory()
    const { code, stderr } = await claviger(['iam', 'list-users'], dataDir)
    expect([code, stderr]).to.deep.equal([1,
      `claviger: the environment has no access key with an AWS_ENDPOINT_URL_IAM, and there is no ${dataDir}/admin.env\n`])
  })
})
