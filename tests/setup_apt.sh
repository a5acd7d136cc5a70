# How setup.sh installs packages; it is read by setup.sh, which has set `wanted` and `missing`. apt is given the whole list
# at once. It is asked first what it would do (apt-get -s), and nothing is done that removes or downgrades a package.
#
# A package that came from a newer release (backports, say) may not suffer the others at the age that apt prefers. Then the
# packages that apt blames are taken at the newest version that is to be had, one round of blame after the other, until apt
# agrees. If that ends nowhere, nothing is changed, and the person is told what stands in the way and what helps.

# How often apt is asked anew; each round pins at least one more package.
ROUNDS_MAX=20
# How many of apt's lines are shown.
LINES_MAX=20

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
options="-o DPkg::Lock::Timeout=120 -o Dir::Etc::Preferences=$work/preferences"
kept=

# Pins are by name; the machine's own preferences stay.
forget_pins() {
    cat /etc/apt/preferences >"$work/preferences" 2>/dev/null || true
    echo >>"$work/preferences"
    : >"$work/pins"
    kept=
}

# pin NAME VERSION PRIORITY
pin() {
    printf 'Package: %s\nPin: version %s\nPin-Priority: %s\n\n' "$1" "$2" "$3" >>"$work/preferences"
    echo "$1=$2" >>"$work/pins"
}

newest() {
    # shellcheck disable=SC2086
    apt-cache $options madison "$1" 2>/dev/null | awk 'NR == 1 { print $3 }'
}

# The newest version of NAME that the machine's sources offer without being asked for: not that of backports.
offered() {
    apt-cache policy "$1" 2>/dev/null | awk '/^ (\*\*\*|   ) [^ ]+ [0-9]+$/ && $NF >= 500 { print $(NF - 1); exit }'
}

candidate() {
    # shellcheck disable=SC2086
    apt-cache $options policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p'
}

installed_version() {
    # shellcheck disable=SC2016
    dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true
}

may_replace() {
    case " ${SETUP_MAY_REPLACE:-} " in *" $1 "*) return 0 ;; esac
    return 1
}

# Packages that the plan would remove although nobody allowed it.
removed() {
    for name in $(sed -n 's/^Remv \([^ ]*\).*/\1/p' "$work/plan"); do
        may_replace "$name" || echo "$name"
    done
}

# Asks apt what it would do. True when it would do it, and without a loss.
apt_agrees() {
    # shellcheck disable=SC2086
    apt-get -s install -y --no-install-recommends ${SETUP_MAY_REPLACE:+--allow-downgrades} $options $wanted $kept \
        >"$work/plan" 2>&1 && [ -z "$(removed)" ]
}

# Both sides of each reason that apt gives: "ONE : Depends: OTHER (= 2) but 1 is to be installed".
blamed() {
    {
        sed -nE 's/.*(Depends|Breaks|Conflicts): ([^ :]+).* but .*/\2/p' "$work/plan"
        sed -nE 's/^ ([^ :]+)(:[a-z0-9]+)? : .* but .*/\1/p' "$work/plan"
    } | sort -u
}

# Asks apt until it agrees, each time with more packages pinned to their newest version. False: there is no way.
find_a_plan() {
    round=0
    while ! apt_agrees; do
        round=$((round + 1))
        [ "$round" -le "$ROUNDS_MAX" ] || return 1
        news=
        # What apt would remove is asked for from now on, so that apt says what is in its way.
        for name in $(removed); do kept="$kept $name" news=yes; done
        for name in $(blamed); do
            version=$(newest "$name")
            [ -n "$version" ] && [ "$version" != "$(candidate "$name")" ] || continue
            ! grep -q "^$name=" "$work/pins" || continue
            pin "$name" "$version" 990
            news=yes
        done
        [ -n "$news" ] || return 1
    done
}

# Something here came from Debian's backports, but the machine's sources do not name them any more: names them for this run.
# False: that is not so.
borrow_backports() {
    # shellcheck disable=SC2016
    dpkg-query -W -f '${Version}\n' | grep -q '~bpo' || return 1
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016
    lists=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN)' 'Identifier: Packages')
    ! echo "$lists" | grep -q " $release-backports " || return 1
    site=$(echo "$lists" | awk -v release="$release" '$2 == release && $3 == "Debian" { print $1; exit }')
    [ -n "$site" ] || return 1
    mkdir "$work/sources"
    cp /etc/apt/sources.list.d/* "$work/sources/" 2>/dev/null || true
    echo "deb $site $release-backports main" >"$work/sources/borrowed.list"
    options="$options -o Dir::Etc::SourceParts=$work/sources"
    # shellcheck disable=SC2086
    apt-get update -qq $options
}

# What the person allowed is taken at the version that the machine's own sources have, older or not.
pin_replaced() {
    for name in ${SETUP_MAY_REPLACE:-}; do
        version=$(offered "$name")
        [ -z "$version" ] || pin "$name" "$version" 1001
    done
}

# Says what stands in the way, and two ways out, each naming the packages.
refuse() {
    forget_pins
    pin_replaced
    apt_agrees || true
    culprits=
    for name in $(removed; blamed); do
        case " $culprits " in *" $name "*) continue ;; esac
        [ -z "$(installed_version "$name")" ] || culprits="${culprits:+$culprits }$name"
    done
    {
        echo "setup: what is missing cannot be installed beside what is here. Nothing was changed."
        echo "setup: missing:$missing"
        for name in $(removed); do echo "setup: apt would remove $name $(installed_version "$name")"; done
        echo "setup: apt says:"
        grep -E '^(E:| .* : |  +(Pre)?Depends: )' "$work/plan" | tail -n "$LINES_MAX" | sed 's/^/    /'
        if [ -n "$culprits" ]; then
            older=
            for name in $culprits; do
                version=$(offered "$name")
                older="$older $name${version:+=$version}"
            done
            echo "setup: one of these helps; then run it again:"
            echo "    apt-get install --allow-downgrades$older     # the versions that your sources have"
            echo "    SETUP_MAY_REPLACE=\"$culprits\" make setup     # lets setup downgrade or remove them"
        else
            echo "setup: mend what apt says (apt-get install -f, apt-mark showhold), then run it again"
        fi
    } >&2
    exit 1
}

install_packages() {
    chmod 755 "$work"
    forget_pins
    # shellcheck disable=SC2086
    apt-get update -qq $options >"$work/log" 2>&1 || {
        tail -n "$LINES_MAX" "$work/log" >&2
        fail "apt-get update failed: is there a connection, and are the sources in /etc/apt right?"
    }
    pin_replaced
    find_a_plan || { borrow_backports && forget_pins && pin_replaced && find_a_plan; } || refuse
    [ ! -s "$work/pins" ] || echo "setup: to suit what is installed, taking $(tr '\n' ' ' <"$work/pins")"
    echo "installing$missing"
    # shellcheck disable=SC2046,SC2086
    apt-get install -y -qq --no-install-recommends $options \
        $([ -n "${SETUP_MAY_REPLACE:-}" ] && echo --allow-downgrades || echo --no-remove) $wanted $kept >"$work/log" 2>&1 || {
        tail -n "$LINES_MAX" "$work/log" >&2
        fail "apt-get install failed"
    }
}
