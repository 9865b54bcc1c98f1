// The conflicts of a record: every surviving value with who wrote it, where and when, and the choice.
import { Button } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useAcceptRecord, useApi } from '../api/queries'
import type { Field, Rec, Schema, Sibling, Value } from '../api/types'
import { useNotice } from '../app/notices'
import { valueText } from '../fields/FieldValue'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import { isConflicted } from '../schema/fields'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import { TickMark } from '../ui/Tick'
import css from './conflict.module.css'
import type { CollectionProps } from './RecordPage'

type Props = CollectionProps & { record: Rec; readOnly: boolean }

export function ConflictPanel({ schema, collection, record, readOnly }: Props) {
  const { t } = useWords()
  const settle = useSettle(record)
  const fields = collection.fields.filter((field) => isConflicted(record, field.name))
  if (fields.length === 0) return null
  return (
    <section className={css.panel} aria-label={t('conflict.title')}>
      <Note tone="wait" title={t('conflict.title')}>
        <p>{t('conflict.explain')}</p>
        {readOnly && <p>{t('conflict.readOnly')}</p>}
      </Note>
      {settle.isError && <ProblemNote error={settle.error} title={t('problem.notSaved')} />}
      {fields.map((field) => (
        <Siblings
          key={field.name}
          schema={schema}
          field={field}
          siblings={record.cells?.[field.name]?.siblings ?? []}
          keep={readOnly ? null : (value) => !settle.isPending && settle.mutate({ name: field.name, value })}
        />
      ))}
    </section>
  )
}

/** Settling is a save like any other, on the newest version that was seen, with the chosen value. */
function useSettle(record: Rec) {
  const { t } = useWords()
  const api = useApi()
  const accept = useAcceptRecord()
  const notice = useNotice()
  return useMutation({
    mutationFn: ({ name, value }: { name: string; value: Value }) =>
      api.change(record.collection, record.id, { version: record.version, values: { [name]: value } }),
    onSuccess: (saved) => {
      accept(saved)
      notice(t('conflict.settled'))
      document.querySelector<HTMLElement>('h1')?.focus()
    },
  })
}

type SiblingsProps = { schema: Schema; field: Field; siblings: Sibling[]; keep: ((value: Value) => void) | null }

function Siblings({ schema, field, siblings, keep }: SiblingsProps) {
  const { t, label, language } = useWords()
  const text = (value: Value) => valueText(schema, field, value, language, t) ?? t('conflict.emptyValue')
  const name = label(field.label)
  return (
    <table className={css.table} data-conflict-of={field.name}>
      <caption>{name}</caption>
      <thead>
        <tr>
          <th scope="col">{t('conflict.value')}</th>
          <th scope="col">{t('conflict.officer')}</th>
          <th scope="col">{t('conflict.device')}</th>
          <th scope="col">{t('conflict.at')}</th>
          <th scope="col">{t('tick.title')}</th>
          {keep !== null && <td />}
        </tr>
      </thead>
      <tbody>
        {siblings.map((sibling, i) => (
          <tr key={i} data-shown={sibling.shown}>
            <th scope="row">
              {text(sibling.value)}
              <span className={css.shown}>{sibling.shown ? t('conflict.shown') : t('conflict.hidden')}</span>
            </th>
            <td>{sibling.officer}</td>
            <td>{sibling.device_name}</td>
            <td>{showMoment(sibling.at_ms)}</td>
            <td>
              <TickMark tick={sibling.tick} />
            </td>
            {keep !== null && (
              <td>
                <Button variant="default" size="compact-xs" onClick={() => keep(sibling.value)} aria-label={t('conflict.keepNamed', { value: text(sibling.value), field: name })}>
                  {t('conflict.keep')}
                </Button>
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
