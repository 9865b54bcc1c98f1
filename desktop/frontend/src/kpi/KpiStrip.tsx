// The month's figures on every page, in one line.
import { Tooltip } from '@mantine/core'
import { useKpis, useNode } from '../api/queries'
import type { KpiSet } from '../api/types'
import { Link, paths } from '../app/router'
import { officeMonth, showMoment, showMonth } from '../format/time'
import { useWords } from '../i18n'
import { FigureValue } from './FigureValue'
import css from './kpi.module.css'

export function KpiStrip() {
  const { t } = useWords()
  const node = useNode()
  const kpis = useKpis(node.data === undefined ? null : officeMonth(node.data.now_ms))
  if (kpis.data === undefined) return <section className={css.strip} aria-label={t('kpi.strip')} />
  const { sets, month, state, as_of_ms, coverage } = kpis.data
  return (
    <section className={css.strip} aria-label={`${t('kpi.strip')} ${showMonth(month)}`} data-kpis={state}>
      {sets.map((set) => (
        <StripSet key={set.collection} set={set} month={month} />
      ))}
      <p className={css.asOf}>
        {t('kpi.asOf', { at: showMoment(as_of_ms) })}
        <br />
        {state === 'computing' ? (
          <span className={css.warn}>{t('kpi.computing')}</span>
        ) : (
          <Tooltip label={coverage.complete ? t('kpi.complete') : t('kpi.incomplete')}>
            <Link to={paths.kpi} className={coverage.complete ? undefined : css.warn}>
              {t('kpi.covers', { count: coverage.devices.filter((device) => device.last_heard_ms !== null || device.self).length, all: coverage.devices.length })}
            </Link>
          </Tooltip>
        )}
      </p>
    </section>
  )
}

/** The KPI page shows all figures in full words; the strip those that an office is asked about daily, in short ones. */
const inStrip = ['received', 'resolved', 'open', 'overdue', 'on_time'] as const

function StripSet({ set, month }: { set: KpiSet; month: string }) {
  const { t, label } = useWords()
  return (
    <dl className={css.set} data-set={set.collection}>
      <div className={css.setName}>
        <dt>{label(set.label)}</dt>
        <dd>{showMonth(month)}</dd>
      </div>
      {inStrip.map((id) => {
        const figure = set.figures.find((known) => known.id === id)
        if (figure === undefined) return null
        return (
          <div key={id} data-figure={id} data-late={id === 'overdue' && (figure.value ?? 0) > 0} title={label(figure.label)}>
            <dt>{t(`kpi.short.${id}`)}</dt>
            <dd>
              <FigureValue figure={figure} />
            </dd>
          </div>
        )
      })}
    </dl>
  )
}
