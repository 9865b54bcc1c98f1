// Which devices the figures cover, and how fresh what is known of each is.
import type { CoveredDevice, Kpis } from '../api/types'
import { showCount } from '../format/number'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import { roleText } from '../node/role'
import { Note } from '../ui/Note'
import css from './kpi.module.css'

export function CoverageTable({ coverage }: { coverage: Kpis['coverage'] }) {
  const { t } = useWords()
  return (
    <section className={css.card} data-coverage={coverage.complete ? 'complete' : 'incomplete'}>
      <table className={css.table}>
        <caption>{t('kpi.coverage')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('kpi.device')}</th>
            <th scope="col">{t('kpi.role')}</th>
            <th scope="col">{t('kpi.lastHeard')}</th>
            <th scope="col">{t('kpi.newest')}</th>
            <th scope="col" className={css.number}>
              {t('kpi.entries')}
            </th>
          </tr>
        </thead>
        <tbody>
          {coverage.devices.map((device) => (
            <DeviceRow key={device.device} device={device} />
          ))}
        </tbody>
      </table>
      <Note tone={coverage.complete ? 'plain' : 'wait'}>{coverage.complete ? t('kpi.complete') : t('kpi.incomplete')}</Note>
    </section>
  )
}

function DeviceRow({ device }: { device: CoveredDevice }) {
  const { t, language } = useWords()
  const never = <span className={css.warn}>{t('kpi.neverHeard')}</span>
  return (
    <tr data-device={device.device}>
      <th scope="row" title={device.device}>
        {device.name}
      </th>
      <td>{roleText(device.role, t)}</td>
      <td>{device.self ? t('kpi.self') : device.last_heard_ms === null ? never : showMoment(device.last_heard_ms)}</td>
      <td>{device.newest_entry_ms === null ? '–' : showMoment(device.newest_entry_ms)}</td>
      <td className={css.number}>{showCount(device.entries, language)}</td>
    </tr>
  )
}
