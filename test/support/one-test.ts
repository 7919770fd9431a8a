import { spawnServer, type SpawnedServer, type SpawnOptions } from './server.js'

const spawned: SpawnedServer[] = []

/** As `spawnServer`, for a test that kills its server itself; if it fails before that, `killLeftovers` does. */
export async function spawnForOneTest(options: SpawnOptions): Promise<SpawnedServer> {
  const server = await spawnServer(options)
  spawned.push(server)
  return server
}

/** After each test: a server that still holds its data directory would make the next tests fail, too. */
export async function killLeftovers(): Promise<void> {
  for (const server of spawned.splice(0)) await server.kill()
}
