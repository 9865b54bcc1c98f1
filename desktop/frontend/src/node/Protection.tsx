// What protects this device's disk when somebody takes it, as the node itself puts it.
import { Tooltip } from '@mantine/core'
import type { NodeState } from '../api/types'
import { pick, useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './node.module.css'

export function Protection({ protection }: { protection: NodeState['protection'] }) {
  const { t, language } = useWords()
  const weak = protection.class === 'none' || protection.class === 'unknown' || protection.damaged
  const more = [protection.damaged && t('protection.damaged'), protection.rotating && t('protection.rotating')].filter(Boolean)
  return (
    <Tooltip label={[pick(protection.says, language), ...more].join(' ')} multiline maw={420}>
      <span className={css.line} data-protection={protection.class} data-weak={weak} tabIndex={0}>
        <Icon name={weak ? 'unlocked' : 'locked'} size={16} />
        <span>
          <b>{`${t('protection.title')}: ${t(`protection.class.${protection.class}`)}`}</b>
          <small>{more[0] ?? t(`protection.worth.${protection.class}`)}</small>
        </span>
      </span>
    </Tooltip>
  )
}
