// What a form begins with, handed over from the inbox. In memory only, and taken once: no
// address and no storage of the browser holds it.
import type { Values } from '../api/types'

export type Prefill = {
  collection: string
  values: Values
  /** What of the inbox a new record settles. */
  settles?: string
  /** The record that is to be saved again, and the fields of it that weren't taken. */
  record?: string
  again?: string[]
}

let waiting: Prefill | null = null

export function leavePrefill(prefill: Prefill): void {
  waiting = prefill
}

export function takePrefill(collection: string, record?: string): Prefill | null {
  const taken = waiting
  waiting = null
  return taken?.collection === collection && taken.record === record ? taken : null
}
