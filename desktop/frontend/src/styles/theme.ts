// Mantine's theme: dense, quiet, one ink blue. Component styles are imported one by
// one (each after what it builds on), which keeps the style sheet a third of the whole.
import '@mantine/core/styles/baseline.css'
import '@mantine/core/styles/default-css-variables.css'
import '@mantine/core/styles/global.css'
import '@mantine/core/styles/ScrollArea.css'
import '@mantine/core/styles/UnstyledButton.css'
import '@mantine/core/styles/VisuallyHidden.css'
import '@mantine/core/styles/Paper.css'
import '@mantine/core/styles/Popover.css'
import '@mantine/core/styles/CloseButton.css'
import '@mantine/core/styles/Group.css'
import '@mantine/core/styles/Loader.css'
import '@mantine/core/styles/Overlay.css'
import '@mantine/core/styles/ModalBase.css'
import '@mantine/core/styles/Input.css'
import '@mantine/core/styles/InlineInput.css'
import '@mantine/core/styles/Flex.css'
import '@mantine/core/styles/ActionIcon.css'
import '@mantine/core/styles/Button.css'
import '@mantine/core/styles/Checkbox.css'
import '@mantine/core/styles/Combobox.css'
import '@mantine/core/styles/Menu.css'
import '@mantine/core/styles/Modal.css'
import '@mantine/core/styles/PasswordInput.css'
import '@mantine/core/styles/Pill.css'
import '@mantine/core/styles/PillsInput.css'
import '@mantine/core/styles/Radio.css'
import '@mantine/core/styles/Tooltip.css'
import './base.css'
import { createTheme } from '@mantine/core'

const family = "'Be Vietnam Pro', 'Noto Sans', system-ui, sans-serif"

export const theme = createTheme({
  fontFamily: family,
  headings: { fontFamily: family, fontWeight: '600' },
  primaryColor: 'ink',
  primaryShade: 8,
  defaultRadius: 'sm',
  cursorType: 'pointer',
  colors: {
    ink: ['#eef4fa', '#dbe7f3', '#b5cde4', '#8cb1d5', '#6899c7', '#4f89be', '#3f7db8', '#2f6ba3', '#255d90', '#1a4a75'],
  },
  components: {
    Button: { defaultProps: { size: 'xs' } },
    ActionIcon: { defaultProps: { variant: 'subtle' } },
    TextInput: { defaultProps: { size: 'sm' } },
    Tooltip: { defaultProps: { multiline: true, maw: 320, withArrow: true, events: { hover: true, focus: true, touch: true } } },
    Modal: { defaultProps: { centered: true, transitionProps: { duration: 0 } } },
    Menu: { defaultProps: { transitionProps: { duration: 0 } } },
    Select: { defaultProps: { comboboxProps: { transitionProps: { duration: 0 } } } },
  },
})
