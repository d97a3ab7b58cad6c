# SPDX-License-Identifier: MIT
#
# Completion of laganctl's commands for bash: to be sourced, or installed as
# /usr/share/bash-completion/completions/laganctl.

_laganctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=("${COMP_WORDS[@]:1:COMP_CWORD-1}") words=() choices
  for choices in "${before[@]}"; do [[ $choices == -* ]] || words+=("$choices"); done
  case "${words[*]}" in
    '') choices='--json --bytes --noheadings --help host mem audit types cache ledger curve ubc top metrics' ;;
    mem) choices='limits target reserve auto room policy watermarks' ;;
    cache) choices='quota freeze thaw' ;;
    ubc) choices='create allow destroy' ;;
    'mem policy') choices='on off' ;;
    'mem watermarks'*) choices='low= min=' ;;
    'mem room '*) choices='wait= hold=' ;;
    'mem limits '*) choices='floor= ceiling= weight=' ;;
    'cache quota '*) choices='floor= max= weight=' ;;
    'mem limits' | 'mem target' | 'mem reserve' | 'mem auto' | 'cache quota' | ledger | curve) choices=$(_laganctl_domains) ;;
    'cache freeze' | 'cache thaw') choices="all $(_laganctl_domains)" ;;
    'ubc allow' | 'ubc destroy') choices=$(laganctl --noheadings ubc 2>/dev/null | awk '{ print $1 }') ;;
    'ubc allow '*' '*) choices='read publish both none limit=' ;;
    'ubc allow '*) choices=$(_laganctl_domains) ;;
    'ubc create '*) choices='size= generation=' ;;
    top*) choices='delay= count=' ;;
    *) choices= ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
  [[ ${COMPREPLY[0]:-} != *= ]] || compopt -o nospace
}

# Names of plain letters only: compgen -W would act on a $ or ` in one.
_laganctl_domains() {
  laganctl --json mem 2>/dev/null | sed -n 's/.*"name": "\([[:alnum:]_.+:@-]\{1,\}\)",.*/\1/p'
}

complete -F _laganctl laganctl
