// The month's figures with what they are made of and which devices they cover.
import { Select } from '@mantine/core'
import { useState } from 'react'
import { useKpis, useNode } from '../api/queries'
import type { Figure, Kpis, KpiSet } from '../api/types'
import { showCount } from '../format/number'
import { officeMonth, showMoment, showMonth } from '../format/time'
import { useWords } from '../i18n'
import { Heading } from '../ui/Heading'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import { CoverageTable } from './CoverageTable'
import { FigureValue } from './FigureValue'
import css from './kpi.module.css'

export function KpiPage() {
  const { t } = useWords()
  const node = useNode()
  const [picked, setPicked] = useState<string | null>(null)
  const month = picked ?? (node.data === undefined ? null : officeMonth(node.data.now_ms))
  const kpis = useKpis(month)
  const title = t('kpi.title', { month: month === null ? '' : showMonth(month) })
  return (
    <div className={css.page}>
      <div className={css.head}>
        <Heading document={title}>{title}</Heading>
        {month !== null && <MonthPicker month={month} months={kpis.data?.months ?? []} pick={setPicked} />}
        {kpis.data !== undefined && <span className={css.when}>{t('kpi.asOf', { at: showMoment(kpis.data.as_of_ms) })}</span>}
      </div>
      {kpis.isError && <ProblemNote error={kpis.error} />}
      {kpis.data === undefined ? !kpis.isError && <Reading /> : <Report kpis={kpis.data} />}
    </div>
  )
}

function MonthPicker({ month, months, pick }: { month: string; months: string[]; pick: (month: string) => void }) {
  const { t } = useWords()
  const data = [...new Set([month, ...months])].sort().reverse()
  return (
    <Select
      size="xs"
      w={110}
      data={data.map((value) => ({ value, label: showMonth(value) }))}
      value={month}
      allowDeselect={false}
      aria-label={t('kpi.month')}
      onChange={(value) => value !== null && pick(value)}
    />
  )
}

function Report({ kpis }: { kpis: Kpis }) {
  const { t } = useWords()
  return (
    <>
      {kpis.state === 'computing' && <Note tone="wait" title={t('kpi.computing')} />}
      <div className={css.sets}>
        {kpis.sets.map((set) => (
          <SetTable key={set.collection} set={set} />
        ))}
      </div>
      <CoverageTable coverage={kpis.coverage} />
    </>
  )
}

function SetTable({ set }: { set: KpiSet }) {
  const { t, label } = useWords()
  return (
    <section className={css.card} data-set-table={set.collection}>
      <table className={css.table}>
        <caption>{label(set.label)}</caption>
        <thead>
          <tr>
            <th scope="col">{t('kpi.figure')}</th>
            <th scope="col" className={css.number}>
              {t('kpi.value')}
            </th>
            <th scope="col" className={css.number}>
              {t('kpi.ratio')}
            </th>
          </tr>
        </thead>
        <tbody>
          {set.figures.map((figure) => (
            <tr key={figure.id} data-figure={figure.id}>
              <th scope="row">{label(figure.label)}</th>
              <td className={css.number}>
                <FigureValue figure={figure} />
              </td>
              <td className={css.number}>
                <Ratio figure={figure} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={css.small}>
        {t('kpi.due')}: {label(set.due_source)}
      </p>
    </section>
  )
}

function Ratio({ figure }: { figure: Figure }) {
  const { language } = useWords()
  if (figure.numerator === undefined || figure.denominator === undefined) return null
  return (
    <>
      {showCount(figure.numerator, language)} / {showCount(figure.denominator, language)}
    </>
  )
}
