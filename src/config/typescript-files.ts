// Makes `import()` take TypeScript files, through tsx, in this process from then on.
import * as nodeModule from 'node:module'

interface Resolved {
  readonly url: string
  readonly format?: string | null | undefined
}
type ResolveHook = (
  specifier: string,
  context: unknown,
  next: (specifier: string, context: unknown) => Resolved,
) => Resolved

// From Node 22.15; the types in use are those of Node 20.
const { registerHooks } = nodeModule as { registerHooks?: (hooks: { resolve: ResolveHook }) => unknown }

let ready: Promise<void> | undefined

/** Registers tsx once. It stays registered, as handlers may import more files later. */
export function enableTypescript(): Promise<void> {
  ready ??= register()
  return ready
}

async function register(): Promise<void> {
  const tsx = await import('tsx/esm/api')
  tsx.register()
  if (registerHooks === undefined) nodeModule.register(`data:text/javascript,${encodeURIComponent(ESM_HOOK)}`)
  else registerHooks({ resolve: (specifier, context, next) => asEsm(next(specifier, context)) })
}

// In a package without "type": "module", tsx takes a .ts file for CommonJS, and hands it a second copy of every package
// it imports, Drover included: errors and contracts of that copy are not ours. So such a file is loaded as ESM too.
function asEsm(found: Resolved): Resolved {
  return found.format === 'commonjs' && /\.ts(\?|$)/.test(found.url) ? { ...found, format: 'module' } : found
}

// The same for Node 20, whose hooks run in a thread of their own and so are handed over as source.
const ESM_HOOK = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context)
  return found.format === 'commonjs' && /\\.ts(\\?|$)/.test(found.url) ? { ...found, format: 'module' } : found
}`
