// A record as it stands: fields by section on the left, what is known about it on the right.
import type { Field, Rec } from '../api/types'
import { FieldLabel } from '../fields/FieldLabel'
import { FieldValue } from '../fields/FieldValue'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import { isConflicted, layout, listOf } from '../schema/fields'
import { Icon } from '../ui/icons'
import { SourceMark } from '../ui/SourceMark'
import { TickSteps } from '../ui/Tick'
import { DeletedNote } from './Deletion'
import { HistoryPanel } from './HistoryPanel'
import { ConflictPanel } from './ConflictPanel'
import type { CollectionProps } from './RecordPage'
import css from './record.module.css'
import { StatusMoves } from './StatusMoves'

type Props = CollectionProps & { record: Rec; readOnly: boolean }

export function RecordView({ schema, collection, record, readOnly }: Props) {
  const { label } = useWords()
  const deleted = record.deleted !== undefined
  return (
    <div className={css.view}>
      <div className={css.main}>
        <DeletedNote record={record} readOnly={readOnly} />
        {!deleted && <ConflictPanel schema={schema} collection={collection} record={record} readOnly={readOnly} />}
        {layout(collection).map((section, i) => (
          <section key={i} className={css.section} aria-label={section.label === null ? undefined : label(section.label)}>
            {section.label !== null && <h2>{label(section.label)}</h2>}
            <dl className={css.facts}>
              {section.fields.map((field) => (
                <Fact key={field.name} schema={schema} collection={collection} field={field} record={record} />
              ))}
            </dl>
          </section>
        ))}
        <HistoryPanel schema={schema} collection={collection} record={record} />
      </div>
      <aside className={css.aside}>
        {!readOnly && !deleted && <StatusMoves schema={schema} collection={collection} record={record} />}
        <Ticks record={record} />
        <Flags record={record} />
        <About record={record} collection={collection} />
      </aside>
    </div>
  )
}

function Fact({ schema, collection, field, record }: CollectionProps & { field: Field; record: Rec }) {
  const { t, label } = useWords()
  const flags = record.flags.filter((flag) => flag.fields.includes(field.name))
  return (
    <div data-field={field.name} data-wide={field.type === 'multiline' || field.type === 'list'} data-conflict={isConflicted(record, field.name)}>
      <dt>
        <FieldLabel collection={collection} field={field} list={listOf(schema, field)} />
      </dt>
      <dd>
        <FieldValue schema={schema} field={field} value={record.values[field.name]} />
        {isConflicted(record, field.name) && (
          <span className={css.conflictMark}>
            <Icon name="conflict" /> {t('conflict.mark')}
          </span>
        )}
        {flags.map((flag) => (
          <span key={flag.check} className={css.flag}>
            <Icon name="warning" /> {label(flag.message)}
          </span>
        ))}
      </dd>
    </div>
  )
}

function Ticks({ record }: { record: Rec }) {
  const { t } = useWords()
  return (
    <section className={css.card} aria-label={t('tick.title')} data-tick={record.tick}>
      <h2>{t('tick.title')}</h2>
      <TickSteps tick={record.tick} carried={record.carried} />
    </section>
  )
}

function Flags({ record }: { record: Rec }) {
  const { t, label } = useWords()
  if (record.flags.length === 0) return null
  return (
    <section className={css.card} aria-label={t('record.flags')}>
      <h2>{t('record.flags')}</h2>
      <ul className={css.flags}>
        {record.flags.map((flag) => (
          <li key={flag.check}>
            <Icon name="warning" /> {label(flag.message)}
          </li>
        ))}
      </ul>
      <p className={css.small}>{t('record.flagsHint')}</p>
    </section>
  )
}

function About({ record, collection }: { record: Rec; collection: CollectionProps['collection'] }) {
  const { t } = useWords()
  return (
    <section className={css.card} aria-label={t('record.about')}>
      <h2>{t('record.about')}</h2>
      <dl className={css.about}>
        <dt>{t('record.updated')}</dt>
        <dd>
          {showMoment(record.updated_ms)}
          {record.updated_by !== '' && <> {t('record.by', { who: record.updated_by })}</>}
        </dd>
        {record.deleted === undefined && (
          <>
            <dt>{t('record.created')}</dt>
            <dd>{showMoment(record.created_ms)}</dd>
          </>
        )}
        <dt>{t('record.id')}</dt>
        <dd className={css.id}>{record.id}</dd>
      </dl>
      <p className={css.small}>
        <SourceMark source={collection.source} confidence={collection.confidence} />
      </p>
    </section>
  )
}
