// The node counts each kind only so far; past that a number says "and more".
import type { InboxCounts, InboxKind } from '../api/types'
import { showCount } from '../format/number'
import type { Language } from '../i18n'

export const kinds: readonly InboxKind[] = ['fork', 'refused', 'edited', 'late', 'conflict']

export type Count = { count: number; more: boolean }

export function countOf(counts: InboxCounts, kind: InboxKind): Count {
  const count = { fork: counts.forks, refused: counts.refused, edited: counts.edited, late: counts.late, conflict: counts.conflicts }[kind]
  return { count, more: count >= counts.counted_to }
}

export function total(counts: InboxCounts): Count {
  const all = kinds.map((kind) => countOf(counts, kind))
  return { count: all.reduce((sum, { count }) => sum + count, 0), more: all.some(({ more }) => more) }
}

export function countText({ count, more }: Count, language: Language): string {
  return `${showCount(count, language)}${more ? '+' : ''}`
}
