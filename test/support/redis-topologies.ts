// More than one real Redis server for tests: a master with replicas under sentinels, a cluster of masters with replicas,
// and a cluster of one node. Each server comes from redis.ts and ends with the test.
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, startTestRedis, type TestRedis, type TestRedisOptions } from './redis.js'

const LAST_SLOT = 16_383
const READY_TIMEOUT_MS = 60_000
const HOST = '127.0.0.1'
const MOST_TRIES = 5

export interface TopologyOptions {
  /** How long a server may be silent before the others call it down. Default 1 s. */
  readonly downAfterMs?: number
  /** Further redis-server arguments, for each server that keeps data. */
  readonly args?: readonly string[]
}

export interface SentinelGroup {
  /** `redis+sentinel://…/mymaster` with every sentinel. */
  readonly url: string
  /** The master first, as it was at the start, then its replicas. */
  readonly servers: readonly TestRedis[]
  readonly sentinels: readonly TestRedis[]
  /** Whom the first sentinel calls the master. */
  master(): Promise<TestRedis>
  /** Resolves when so many replicas follow the master: by default all others. */
  untilReplicated(replicas?: number): Promise<void>
  close(): Promise<void>
}

/** One master, two replicas and three sentinels of which two must agree. */
export async function startSentinelGroup(options: TopologyOptions = {}): Promise<SentinelGroup> {
  const { downAfterMs = 1_000, args = [] } = options
  const first = await startTestRedis({ args })
  const replicaArgs = ['--replicaof', `${HOST} ${first.port}`, '--repl-diskless-sync-delay', '0', ...args]
  const replicas = await Promise.all([1, 2].map(() => startTestRedis({ args: replicaArgs })))
  const servers = [first, ...replicas]
  const sentinels = await Promise.all([1, 2, 3].map(() => startTestRedis({ sentinelOf: first.port })))
  const settings = { quorum: 2, 'down-after-milliseconds': downAfterMs, 'failover-timeout': 5 * downAfterMs }
  for (const sentinel of sentinels) {
    for (const [name, value] of Object.entries(settings)) {
      await sentinel.cli('SENTINEL', 'SET', 'mymaster', name, `${value}`)
    }
  }
  const master = async () => {
    const reply = await sentinels[0]?.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')
    return serverAt(servers, Number(reply?.split('\n')[1]))
  }
  const group: SentinelGroup = {
    url: `redis+sentinel://${sentinels.map(({ port }) => `${HOST}:${port}`).join(',')}/mymaster`,
    servers,
    sentinels,
    master,
    untilReplicated: (wanted = replicas.length) =>
      untilTrue(`${wanted} replicas follow the master`, async () => {
        const info = await (await master()).cli('INFO', 'replication')
        return (info.match(/state=online/g)?.length ?? 0) >= wanted
      }),
    close: () => closeAll([...sentinels, ...servers]),
  }
  await group.untilReplicated()
  for (const sentinel of sentinels) {
    await untilTrue('each sentinel knows the others and the replicas', async () => {
      const info = await sentinel.cli('INFO', 'sentinel')
      return info.includes(`slaves=${replicas.length},sentinels=${sentinels.length}`)
    })
  }
  return group
}

export interface ClusterGroup {
  /** `redis+cluster://…` with every node. */
  readonly url: string
  /** The three masters at the start, then the three replicas. */
  readonly nodes: readonly TestRedis[]
  slotOf(key: string): Promise<number>
  /** Who owns the slot now, as `asked` sees it (any running node; default the last). */
  ownerOf(slot: number, asked?: TestRedis): Promise<TestRedis>
  /** Moves a slot with all its keys to another master, as `redis-cli --cluster reshard` does, while clients go on. */
  moveSlot(slot: number, from: TestRedis, to: TestRedis, halfway?: HalfMoved): Promise<void>
  close(): Promise<void>
}

/** Three masters, each with a replica. */
export async function startCluster(options: TopologyOptions = {}): Promise<ClusterGroup> {
  const { downAfterMs = 1_000, args = [] } = options
  const busPorts = new Map<TestRedis, number>()
  const timing = ['--cluster-node-timeout', `${downAfterMs}`, '--cluster-replica-validity-factor', '0']
  const nodes = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const { node, busPort } = await startNode({ args: [...timing, ...args] })
      busPorts.set(node, busPort)
      return node
    }),
  )
  const [first] = nodes
  const third = (part: number) => Math.floor((part * (LAST_SLOT + 1)) / 3)
  for (const [index, node] of nodes.entries()) {
    await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`)
    if (index < 3) await node.cli('CLUSTER', 'ADDSLOTSRANGE', `${third(index)}`, `${third(index + 1) - 1}`)
    if (index > 0) await node.cli('CLUSTER', 'MEET', HOST, `${first?.port}`, `${busPorts.get(first as TestRedis)}`)
  }
  await untilEach(nodes, 'each node knows the others', 'NODES', (reply) => reply.split('\n').length === nodes.length)
  for (const [index, node] of nodes.slice(3).entries()) {
    await node.cli('CLUSTER', 'REPLICATE', (await nodes[index]?.cli('CLUSTER', 'MYID')) ?? '')
  }
  await untilEach(nodes, 'the cluster is up', 'INFO', (reply) => reply.includes('cluster_state:ok'))
  for (const replica of nodes.slice(3)) {
    await untilTrue('each replica follows', async () =>
      (await replica.cli('INFO', 'replication')).includes('master_link_status:up'),
    )
  }
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `${HOST}:${port}`).join(',')}`,
    nodes,
    slotOf: async (key) => Number(await first?.cli('CLUSTER', 'KEYSLOT', key)),
    ownerOf: async (slot, asked = nodes[nodes.length - 1] as TestRedis) => ownerOf(nodes, asked, slot),
    moveSlot: (slot, from, to, halfway) => moveSlot(nodes, { slot: `${slot}`, from, to }, halfway),
    close: () => closeAll(nodes),
  }
}

/** A cluster of one node that owns every slot. */
export async function startLoneClusterNode(options: { readonly password?: string } = {}): Promise<TestRedis> {
  // A node that has met no other does not know its own address.
  const { node } = await startNode(options)
  await node.cli('CLUSTER', 'ADDSLOTSRANGE', '0', `${LAST_SLOT}`)
  await untilEach([node], 'the cluster is up', 'INFO', (reply) => reply.includes('cluster_state:ok'))
  return node
}

/** A node of a cluster. The port of its bus is free when it is looked for; another process may be first to take it. */
async function startNode(options: TestRedisOptions): Promise<{ node: TestRedis; busPort: number }> {
  for (let tries = 1; ; tries++) {
    const busPort = await freePort()
    try {
      const args = [...clusterArgs(busPort), ...(options.args ?? [])]
      return { node: await startTestRedis({ ...options, args }), busPort }
    } catch (error) {
      if (tries === MOST_TRIES || !String(error).includes('Address already in use')) throw error
    }
  }
}

function clusterArgs(busPort: number): string[] {
  return ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`, '--cluster-announce-ip', HOST]
}

async function ownerOf(nodes: readonly TestRedis[], asked: TestRedis, slot: number): Promise<TestRedis> {
  // <id> <ip:port@bus> <flags> <master> <ping> <pong> <epoch> <link> <slots>…
  for (const line of (await asked.cli('CLUSTER', 'NODES')).split('\n')) {
    const [, address = '', flags = '', , , , , , ...ranges] = line.split(' ')
    const owns = ranges.some((range) => {
      const [from, to = from] = range.split('-').map(Number)
      return from !== undefined && to !== undefined && from <= slot && slot <= to
    })
    if (owns && !flags.includes('fail')) return serverAt(nodes, Number(/:(\d+)/.exec(address)?.[1]))
  }
  throw new Error(`no node owns slot ${slot}`)
}

/** Holds a move where some keys have left and the others have not. */
export interface HalfMoved {
  movesFirst(key: string): boolean
  during(): Promise<void>
}

interface SlotMove {
  readonly slot: string
  readonly from: TestRedis
  readonly to: TestRedis
}

async function moveSlot(nodes: readonly TestRedis[], { slot, from, to }: SlotMove, halfway?: HalfMoved): Promise<void> {
  const [fromId, toId] = await Promise.all([from, to].map((node) => node.cli('CLUSTER', 'MYID')))
  const keysLeft = async (count: number) =>
    (await from.cli('CLUSTER', 'GETKEYSINSLOT', slot, `${count}`)).split('\n').filter(Boolean)
  const migrate = async (keys: readonly string[]) => {
    // A key that is on both sides by now was written on both: what the move must not do to anybody.
    const reply = await from.cli('MIGRATE', HOST, `${to.port}`, '', '0', '5000', 'KEYS', ...keys)
    if (reply !== 'OK' && reply !== 'NOKEY') throw new Error(`keys were not moved: ${reply}`)
  }
  await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId ?? '')
  await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId ?? '')
  const first = halfway && (await keysLeft(100_000)).filter(halfway.movesFirst)
  if (first?.length) await migrate(first)
  await halfway?.during()
  for (;;) {
    const keys = await keysLeft(100)
    if (keys.length === 0) break
    await migrate(keys)
  }
  // The new owner first, so that no moment has none.
  for (const node of [to, from, ...nodes.filter((other) => other !== to && other !== from)]) {
    // Replicas and nodes that are down learn of it from the others.
    await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', toId ?? '').catch(() => undefined)
  }
}

function serverAt(servers: readonly TestRedis[], port: number): TestRedis {
  const found = servers.find((server) => server.port === port)
  if (!found) throw new Error(`no server of this group has port ${port}`)
  return found
}

async function untilEach(
  nodes: readonly TestRedis[],
  what: string,
  command: string,
  isMet: (reply: string) => boolean,
): Promise<void> {
  await Promise.all(nodes.map((node) => untilTrue(what, async () => isMet(await node.cli('CLUSTER', command)))))
}

async function untilTrue(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain until ${what}`)
    await sleep(25)
  }
}

async function closeAll(servers: readonly TestRedis[]): Promise<void> {
  await Promise.all(servers.map((server) => server.close()))
}
