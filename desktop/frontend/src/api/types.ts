// The one place where the UI's words meet the generated types of the HTTP API.
// schema.d.ts comes from openapi.json (`npm run gen:api`); what JSON Schema
// leaves open (a field's value depends on the pack) is narrowed here.
import type { components } from './schema'

type Schemas = components['schemas']

/** A field's value as it travels. Dates are "2026-11-23", moments are UTC text, missing is null. */
export type Value = string | number | boolean | string[] | null
export type Values = Record<string, Value>

export type Label = Schemas['Label']
export type Officer = Schemas['OfficerBody']
export type SignedIn = Schemas['SignedIn']
export type Session = Schemas['Session']
export type NodeState = Schemas['Node']
export type Peer = Schemas['Peer']
export type StickPlace = Schemas['StickPlace']
export type StickPlaces = Schemas['StickPlaces']
export type StickReader = Schemas['StickReader']
export type StickContents = Schemas['StickContents']
export type StickFile = Schemas['StickFile']
export type StickOrder = Schemas['StickOrder']
export type StickSwapped = Schemas['StickSwapped']
export type Schema = Schemas['Schema']
export type Collection = Schemas['Collection']
export type Field = Schemas['Field']
export type CodeList = Schemas['CodeList']
export type Confidence = Field['confidence']
export type Kpis = Schemas['Kpis']
export type KpiSet = Schemas['KpiSet']
export type Figure = Schemas['Figure']
export type CoveredDevice = Schemas['CoveredDevice']
export type Flag = Schemas['Flag']
export type Tick = Schemas['Record']['tick']
/** The ticks that are searched by; a record that a checkpoint covers is among those that the province has. */
export type SearchedTick = NonNullable<Schemas['SearchBody']['tick']>
export type Load = Schemas['Load']

export type Filter = Omit<Schemas['Filter'], 'value'> & { value?: string | number | boolean }
export type Search = Omit<Schemas['SearchBody'], 'filters'> & { filters?: Filter[] }
export type Sibling = Omit<Schemas['Sibling'], 'value'> & { value: Value }
export type Cell = { conflict: boolean; siblings: Sibling[] }
export type Rec = Omit<Schemas['Record'], 'values' | 'cells'> & {
  values: Values
  cells?: Record<string, Cell>
}
export type Page = Omit<Schemas['Page'], 'items'> & { items: Rec[] }
export type Deletion = Schemas['Deletion']
export type DeletedPage = Omit<Schemas['Deleted'], 'items'> & { items: Rec[] }
export type Said = Omit<Schemas['Said'], 'value'> & { value?: Value }
export type Past = Omit<Schemas['Past'], 'value'> & { value?: Value }
export type Wrote = Omit<Schemas['Wrote'], 'value' | 'replaced'> & { value?: Value; replaced: Past[] }
export type Saved = Omit<Schemas['Saved'], 'wrote'> & { wrote: Wrote[] }
export type History = Omit<Schemas['History'], 'saves'> & { saves: Saved[] }
export type InboxKind = Schemas['InboxItem']['kind']
export type InboxCounts = Schemas['InboxCounts']
export type InboxItem = Omit<Schemas['InboxItem'], 'wrote'> & { wrote: Said[] }
export type Inbox = Omit<Schemas['Inbox'], 'items'> & { items: InboxItem[] }
export type FieldProblem = { location: string; message: string }
