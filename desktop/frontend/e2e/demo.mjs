// Starts `vungxa demo` in a directory of its own and stops it again.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const readyWithinMs = 180_000
const goneWithinMs = 30_000

/** Resolves to {nodes: {box, laptop, province}, stop}; each node is {name, role, url, sign_in}. */
export async function startDemo(binary) {
  const dir = await mkdtemp(join(tmpdir(), 'vungxa-story-'))
  const child = spawn(binary, ['demo', '--dir', join(dir, 'var'), '--listen', '127.0.0.1:0', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = []
  child.stderr.on('data', (chunk) => said.push(String(chunk)))
  const stop = async () => {
    await end(child)
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const { nodes } = JSON.parse(await firstLine(child, said))
    return { nodes: Object.fromEntries(nodes.map((node) => [node.role, node])), stop, said }
  } catch (error) {
    await stop()
    throw error
  }
}

function firstLine(child, said) {
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`the demo did not start: ${why}\n${said.join('')}`))
    const timer = setTimeout(() => fail(`not ready after ${readyWithinMs / 1000} s`), readyWithinMs)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code) => fail(`exit code ${code}`))
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer)
      resolve(line)
    })
  })
}

/** Asks it to end as Ctrl-C does; resolves when it is gone. */
function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), goneWithinMs)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGINT')
  })
}
