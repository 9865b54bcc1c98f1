// Which node this is, how its lines are, what waits, and who works here.
import { Button, Menu } from '@mantine/core'
import { useNode } from '../api/queries'
import type { NodeState } from '../api/types'
import { useWords } from '../i18n'
import { Checking } from '../node/Checking'
import { Damage } from '../node/Damage'
import { InboxLink } from '../inbox/InboxLink'
import { Lines } from '../node/Lines'
import { Protection } from '../node/Protection'
import { roleText } from '../node/role'
import { Unsent } from '../node/Unsent'
import { Views } from '../node/Views'
import { Icon } from '../ui/icons'
import { LanguageSwitch } from '../ui/LanguageSwitch'
import { useSession } from './session'
import css from './shell.module.css'

export function Header() {
  const node = useNode().data
  return (
    <header className={css.header}>
      <img src="/mark.svg" alt="Vùng Xa" width={28} height={28} />
      {node !== undefined && <Identity node={node} />}
      <div className={css.space} />
      {node !== undefined && <Lines peers={node.peers} />}
      {node !== undefined && node.role !== 'province' && <Unsent unsent={node.unsent} />}
      <InboxLink />
      {node !== undefined && <Views views={node.views} />}
      {node !== undefined && <Damage damage={node.damage} />}
      {node !== undefined && <Checking checking={node.checking} />}
      {node !== undefined && <Protection protection={node.protection} />}
      <LanguageSwitch />
      <OfficerMenu />
    </header>
  )
}

function Identity({ node }: { node: NodeState }) {
  const { t } = useWords()
  return (
    <div className={css.identity} data-role={node.role}>
      <b>{node.name}</b>
      <small>
        {roleText(node.role, t)}
        {node.commune !== null && ` · ${node.commune.name} (${node.commune.code})`}
        {node.read_only && ` · ${t('app.readOnly')}`}
      </small>
    </div>
  )
}

function OfficerMenu() {
  const { t } = useWords()
  const { session, signOut, askPassword } = useSession()
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="transparent" className={css.officer} leftSection={<Icon name="person" />} rightSection={<Icon name="down" size={12} />} aria-label={`${t('header.officer')}: ${session.officer.name}`}>
          {session.officer.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={askPassword}>{session.passwordSet ? t('header.changePassword') : t('header.setPassword')}</Menu.Item>
        <Menu.Item onClick={signOut}>{t('header.signOut')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
