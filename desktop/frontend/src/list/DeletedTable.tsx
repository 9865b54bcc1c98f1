// The deleted records of a collection, newest deletion first: who deleted which, when, and the way back.
import { Button } from '@mantine/core'
import { useExistence } from '../api/queries'
import type { Field, Rec, Schema } from '../api/types'
import { useNotice } from '../app/notices'
import { Link, paths } from '../app/router'
import { FieldValue } from '../fields/FieldValue'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import type { CollectionProps } from '../record/RecordPage'
import { findField } from '../schema/fields'
import { ProblemNote } from '../ui/ProblemNote'
import css from './list.module.css'

/** Of the pack's columns so many: the rest of the width tells of the deletion. */
const columnsShown = 3

type Props = CollectionProps & { records: Rec[]; readOnly: boolean; onOpen: (id: string) => void }

export function DeletedTable({ schema, collection, records, readOnly, onOpen }: Props) {
  const { t, label } = useWords()
  const notice = useNotice()
  const columns = collection.columns.flatMap((name) => findField(collection, name) ?? []).slice(0, columnsShown)
  const existence = useExistence((record) => {
    notice(t('deleted.restored'), record.title)
    document.querySelector<HTMLElement>('h1')?.focus() // the button is gone with its row
  })
  const restore = (record: Rec) => {
    if (!existence.isPending) existence.mutate({ to: 'restore', of: record })
  }
  return (
    <>
      {existence.isError && <ProblemNote error={existence.error} title={t('problem.notSaved')} />}
      <table className={css.table} data-deleted-list>
        <thead>
          <tr>
            {columns.map((field) => (
              <th key={field.name} scope="col" data-type={field.type}>
                {label(field.label)}
              </th>
            ))}
            <th scope="col">{t('deleted.at')}</th>
            <th scope="col">{t('deleted.by')}</th>
            <th scope="col">{t('deleted.device')}</th>
            <td />
          </tr>
        </thead>
        <tbody>
          {records.map((record) => (
            <Row key={record.id} schema={schema} columns={columns} record={record} onOpen={onOpen} restore={readOnly ? null : () => restore(record)} />
          ))}
        </tbody>
      </table>
    </>
  )
}

type RowProps = { schema: Schema; columns: Field[]; record: Rec; onOpen: (id: string) => void; restore: (() => void) | null }

function Row({ schema, columns, record, onOpen, restore }: RowProps) {
  const { t } = useWords()
  return (
    <tr>
      {columns.map((field, i) => {
        const shown = <FieldValue schema={schema} field={field} value={record.values[field.name]} brief />
        return (
          <td key={field.name} data-type={field.type}>
            {i > 0 ? (
              shown
            ) : (
              <Link to={paths.record(record.collection, record.id)} data-row={record.id} aria-label={record.title} onClick={() => onOpen(record.id)}>
                {shown}
              </Link>
            )}
            {i === 0 && record.damaged === true && ` ${t('list.damaged')}`}
          </td>
        )
      })}
      <td>{record.deleted === undefined ? '–' : showMoment(record.deleted.at_ms)}</td>
      <td>{record.deleted?.officer}</td>
      <td>{record.deleted?.device_name}</td>
      <td>
        {restore !== null && record.damaged !== true && (
          <Button variant="default" size="compact-xs" onClick={restore} aria-label={t('deleted.restoreNamed', { title: record.title })}>
            {t('deleted.restore')}
          </Button>
        )}
      </td>
    </tr>
  )
}
