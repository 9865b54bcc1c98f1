// A list's conditions as a person sets them, and as the node is asked.
import type { Collection, Field, Filter, Schema, Search, SearchedTick } from '../api/types'
import { parseDate } from '../format/time'
import { isClosed, listOf } from './fields'

export const pageSize = 50

/** The typed conditions on one field. `empty` asks for records where it is missing. */
export type Condition = { eq?: string; from?: string; to?: string; empty?: boolean }

export type QuickFilter = 'open' | 'overdue' | 'conflicted' | 'flagged'

export type ListState = {
  text: string
  conditions: Record<string, Condition>
  quick: QuickFilter[]
  tick: SearchedTick | null
  /** The deleted records instead of those that are shown; nothing else narrows them. */
  deleted: boolean
  sort: { field: string; desc: boolean }
  /** Cursors of the pages after the first that were opened; the last is the one shown. */
  cursors: string[]
}

export function firstState(collection: Collection): ListState {
  return { text: '', conditions: {}, quick: [], tick: null, deleted: false, sort: collection.sort, cursors: [] }
}

export type FilterKind = 'choice' | 'range' | 'bool' | 'text'

export function filterKind(schema: Schema, field: Field): FilterKind {
  if (field.type === 'date' || field.type === 'datetime') return 'range'
  if (field.type === 'bool') return 'bool'
  return isClosed(listOf(schema, field)) ? 'choice' : 'text'
}

export function isNarrowed(state: ListState): boolean {
  return state.deleted || state.text !== '' || state.quick.length > 0 || state.tick !== null || activeFields(state).length > 0
}

export function activeFields(state: ListState): string[] {
  return Object.entries(state.conditions)
    .filter(([, c]) => c.empty === true || [c.eq, c.from, c.to].some((typed) => typed !== undefined && typed !== ''))
    .map(([name]) => name)
}

export function toSearch(collection: Collection, state: ListState): Search {
  const filters = collection.fields.flatMap((field) => toFilters(field, state.conditions[field.name]))
  const cursor = state.cursors.at(-1)
  return {
    sort: state.sort,
    limit: pageSize,
    ...(state.text.trim() === '' ? {} : { text: state.text.trim() }),
    ...(filters.length === 0 ? {} : { filters }),
    ...(state.tick === null ? {} : { tick: state.tick }),
    ...Object.fromEntries(state.quick.map((quick) => [quick, true])),
    ...(cursor === undefined ? {} : { cursor }),
  }
}

function toFilters(field: Field, condition: Condition | undefined): Filter[] {
  if (condition === undefined) return []
  if (condition.empty === true) return [{ field: field.name, op: 'empty' }]
  const filters: Filter[] = []
  const eq = condition.eq?.trim() ?? ''
  if (eq !== '') filters.push({ field: field.name, op: 'eq', value: eqValue(field, eq) })
  for (const op of ['from', 'to'] as const) {
    const day = parseDate(condition[op] ?? '')
    if (day !== null) filters.push({ field: field.name, op, value: field.type === 'datetime' ? edgeOfDay(day, op) : day })
  }
  return filters
}

function eqValue(field: Field, typed: string): string | number | boolean {
  if (field.type === 'bool') return typed === 'true'
  return field.type === 'integer' && /^-?\d+$/.test(typed) ? Number(typed) : typed
}

/** First or last millisecond of an office day as UTC text, for fields that hold moments. */
function edgeOfDay(day: string, edge: 'from' | 'to'): string {
  const startMs = Date.parse(`${day}T00:00:00+07:00`)
  const ms = edge === 'from' ? startMs : startMs + 86_400_000 - 1
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
