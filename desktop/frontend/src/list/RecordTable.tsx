// The rows of a list, in the pack's columns. The first column holds the link to the record.
import type { MouseEvent } from 'react'
import type { Field, Rec, Schema } from '../api/types'
import { Link, navigate, paths } from '../app/router'
import { FieldValue, valueText } from '../fields/FieldValue'
import { useWords } from '../i18n'
import type { CollectionProps } from '../record/RecordPage'
import { findField, isConflicted } from '../schema/fields'
import type { ListState } from '../schema/search'
import { Icon } from '../ui/icons'
import { TickMark } from '../ui/Tick'
import css from './list.module.css'

type Sort = ListState['sort']

type Props = CollectionProps & {
  records: Rec[]
  state: ListState
  sortBy: (sort: Sort) => void
  onOpen: (id: string) => void
}

export function RecordTable({ schema, collection, records, state, sortBy, onOpen }: Props) {
  const { t } = useWords()
  const columns = collection.columns.flatMap((name) => findField(collection, name) ?? [])
  return (
    <table className={css.table}>
      <thead>
        <tr>
          {columns.map((field) => (
            <ColumnHead key={field.name} field={field} sort={state.sort} sortBy={sortBy} />
          ))}
          <th scope="col">{t('tick.title')}</th>
        </tr>
      </thead>
      <tbody>
        {records.map((record) => (
          <Row key={record.id} schema={schema} columns={columns} record={record} onOpen={onOpen} />
        ))}
      </tbody>
    </table>
  )
}

const ariaSort = { true: 'descending', false: 'ascending' } as const

function ColumnHead({ field, sort, sortBy }: { field: Field; sort: Sort; sortBy: Props['sortBy'] }) {
  const { t, label } = useWords()
  if (!field.sortable)
    return (
      <th scope="col" data-type={field.type}>
        {label(field.label)}
      </th>
    )
  const active = sort.field === field.name
  const hint = active ? (sort.desc ? t('list.sortDesc') : t('list.sortAsc')) : t('list.sortNone')
  return (
    <th scope="col" data-type={field.type} aria-sort={active ? ariaSort[`${sort.desc}`] : 'none'}>
      <button type="button" className={css.sort} title={hint} aria-label={`${label(field.label)}: ${hint}`} onClick={() => sortBy({ field: field.name, desc: active && !sort.desc })}>
        {label(field.label)}
        {active && <Icon name={sort.desc ? 'down' : 'up'} size={12} />}
      </button>
    </th>
  )
}

/** The row would open the record a second time. */
function openByLink(event: MouseEvent, opened: () => void) {
  event.stopPropagation()
  opened()
}

type RowProps = { schema: Schema; columns: Field[]; record: Rec; onOpen: (id: string) => void }

function Row({ schema, columns, record, onOpen }: RowProps) {
  const to = paths.record(record.collection, record.id)
  const opened = () => onOpen(record.id)
  const open = () => {
    opened()
    navigate(to)
  }
  return (
    <tr onClick={open}>
      {columns.map((field, i) => (
        <Cell key={field.name} schema={schema} field={field} record={record} link={i === 0 ? { to, opened } : null} />
      ))}
      <td>
        <TickMark tick={record.tick} carried={record.carried} />
      </td>
    </tr>
  )
}

type CellProps = { schema: Schema; field: Field; record: Rec; link: { to: string; opened: () => void } | null }

function Cell({ schema, field, record, link }: CellProps) {
  const { t, language } = useWords()
  const value = record.values[field.name]
  const shown = <FieldValue schema={schema} field={field} value={value} brief />
  // A column cuts long text short; the whole of it is in the title.
  const whole = valueText(schema, field, value, language, t) ?? undefined
  return (
    <td data-type={field.type} data-conflict={isConflicted(record, field.name)} title={whole}>
      {link === null ? (
        shown
      ) : (
        <>
          <Link to={link.to} data-row={record.id} aria-label={`${whole ?? ''} ${record.title}`.trim()} onClick={(event) => openByLink(event, link.opened)}>
            {shown}
          </Link>
          <Marks record={record} />
        </>
      )}
    </td>
  )
}

function Marks({ record }: { record: Rec }) {
  const { t, label } = useWords()
  const messages = record.flags.map((flag) => label(flag.message)).join(' ')
  return (
    <span className={css.marks}>
      {record.damaged === true && (
        <span className={css.mark}>
          <Icon name="warning" /> {t('list.damaged')}
        </span>
      )}
      {record.conflicts.length > 0 && (
        <span className={css.mark} title={t('list.conflictCount', { count: record.conflicts.length })}>
          <Icon name="conflict" />
          <span className="visually-hidden">{t('conflict.mark')}</span>
        </span>
      )}
      {record.flags.length > 0 && (
        <span className={css.mark} title={t('list.flagCount', { messages })}>
          <Icon name="warning" /> {record.flags.length}
          <span className="visually-hidden">{t('list.flagCount', { messages })}</span>
        </span>
      )}
    </span>
  )
}
