// In the header: how much waits for a person, and the way there.
import { Tooltip } from '@mantine/core'
import { useInboxCounts } from '../api/queries'
import { Link, paths, useRoute } from '../app/router'
import { useWords } from '../i18n'
import node from '../node/node.module.css'
import { Icon } from '../ui/icons'
import { countText, total } from './counts'
import css from './inbox.module.css'

export function InboxLink() {
  const { t, language } = useWords()
  const counts = useInboxCounts().data
  const here = useRoute().page === 'inbox'
  if (counts === undefined) return null
  const all = total(counts)
  return (
    <Tooltip label={all.count === 0 ? t('inbox.none') : t('inbox.hint')}>
      <Link to={paths.inbox} className={[node.line, css.link].join(' ')} data-inbox={all.count} data-weak={all.count > 0} aria-current={here ? 'page' : undefined} aria-keyshortcuts="i">
        <Icon name="inbox" size={16} />
        <span>
          <b>{`${t('inbox.title')}: ${countText(all, language)}`}</b>
          <small>{t(all.count === 0 ? 'inbox.nothing' : 'inbox.waits')}</small>
        </span>
      </Link>
    </Tooltip>
  )
}
