// The lines of this node in the header: to whom, whether there is one now, and when there last was.
import { Tooltip } from '@mantine/core'
import type { Peer } from '../api/types'
import { showMoment } from '../format/time'
import { useWords, type Translate } from '../i18n'
import { Icon } from '../ui/icons'
import css from './node.module.css'

export type LineState = 'connected' | 'down' | 'cut'

export function lineState(peer: Peer): LineState {
  if (peer.cut) return 'cut'
  return peer.connected ? 'connected' : 'down'
}

const icons = { connected: 'linked', down: 'unlinked', cut: 'cut' } as const

export function contactText(peer: Peer, t: Translate): string {
  const last = peer.last_contact_ms === null ? t('line.never') : t('line.lastContact', { at: showMoment(peer.last_contact_ms) })
  const why = peer.why_not === null || peer.why_not === '' ? '' : ` · ${t('line.reason', { why: peer.why_not })}`
  return last + why
}

const shownAtMost = 3

export function Lines({ peers }: { peers: Peer[] }) {
  const { t } = useWords()
  if (peers.length === 0) return <span className={css.quiet}>{t('line.none')}</span>
  // A province knows many devices: those without a line come first, the KPI page lists them all.
  const ordered = [...peers].sort((a, b) => Number(a.connected) - Number(b.connected))
  const shown = peers.length > shownAtMost ? ordered.slice(0, shownAtMost) : peers
  return (
    <ul className={css.lines} aria-label={t('header.lines')}>
      {shown.map((peer) => (
        <li key={peer.device}>
          <Line peer={peer} />
        </li>
      ))}
      {peers.length > shown.length && <li className={css.quiet}>+{peers.length - shown.length}</li>}
    </ul>
  )
}

function Line({ peer }: { peer: Peer }) {
  const { t } = useWords()
  const state = lineState(peer)
  const contact = contactText(peer, t)
  return (
    <Tooltip label={contact}>
      <span className={css.line} data-line={state} data-peer={peer.device} tabIndex={0}>
        <Icon name={icons[state]} size={16} />
        <span>
          <b>{peer.name}</b>
          <small>
            {t(`line.${state}`)}
            {state !== 'connected' && ` · ${peer.last_contact_ms === null ? t('line.never') : t('line.last', { at: showMoment(peer.last_contact_ms) })}`}
          </small>
        </span>
      </span>
    </Tooltip>
  )
}
