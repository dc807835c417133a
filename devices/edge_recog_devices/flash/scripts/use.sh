# Lets an environment be the one in use, by one rename.
#
# $1: the folder it is installed into; $2: the environment's name.

main() {
    root=$1 name=$2
    kept=$root/flash/venv
    [ -d "$root/venvs/$name" ] || exit 1
    if [ ! -e "$kept" ]; then
        if [ -L "$root/venv" ]; then
            readlink "$root/venv" >"$kept.new"
        elif [ -d "$root/venv" ]; then
            echo folder >"$kept.new"
        else
            echo absent >"$kept.new"
        fi
        mv "$kept.new" "$kept"
        sync
    fi
    # One that was made as a folder steps aside; its programs work again once it is back.
    if [ -d "$root/venv" ] && [ ! -L "$root/venv" ]; then
        mv "$root/venv" "$root/venvs/before" || exit 1
    fi
    rm -f "$root/venv.new"
    ln -s "venvs/$name" "$root/venv.new" || exit 1
    mv -fT "$root/venv.new" "$root/venv" || exit 1
    sync
}

main "$@" </dev/null
