# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of mdr-agent for bash.

_mdr_agent() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case $before in
	-c | --connect)
		mapfile -t COMPREPLY < <(compgen -W 'qemu:///system' -- "$word")
		return
		;;
	-q | --qmp)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	-s | --state)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W '--connect= --qmp= --state= --check= --help --version' -- "$word")
	[[ ${COMPREPLY[0]:-} != *= ]] || compopt -o nospace
}
complete -F _mdr_agent mdr-agent
