# What a script could not check on this machine. Sourced. The same as the crate `portcullis-skip` for tests: a line of
# target/skipped.txt, or a failure where PORTCULLIS_REQUIRE asks for the tool.
# shellcheck shell=bash
skip() { # tool, check, why: what was not checked and how to get the tool
  local file=${PORTCULLIS_SKIPPED:-$(dirname "${BASH_SOURCE[0]}")/../target/skipped.txt}
  case ",${PORTCULLIS_REQUIRE:-}," in
    *",-$1,"*) ;;
    *",$1,"* | *,all,*)
      echo "$2: PORTCULLIS_REQUIRE=$PORTCULLIS_REQUIRE asks for $1, which is not to be had: $3" >&2
      return 1
      ;;
  esac
  mkdir -p "$(dirname "$file")"
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$file"
  echo "SKIPPED $2: no $1: $3" >&2
}
