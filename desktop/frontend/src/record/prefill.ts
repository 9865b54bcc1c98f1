// What a new record's form begins with, handed over from the inbox. In memory only, and taken once: no
// address and no storage of the browser holds it.
import type { Values } from '../api/types'

export type Prefill = {
  collection: string
  values: Values
  /** The late save that the new record settles. */
  late: string
}

let waiting: Prefill | null = null

export function leavePrefill(prefill: Prefill): void {
  waiting = prefill
}

export function takePrefill(collection: string): Prefill | null {
  const taken = waiting
  waiting = null
  return taken?.collection === collection ? taken : null
}
