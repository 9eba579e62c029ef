# Installing: by make into /opt, or as a Debian package (docs/install.md).

DEB_FLAGS ?=
export DESTDIR PREFIX

.PHONY: install uninstall deb deb-check

install:  ## install as a service: sudo make install [PREFIX=/opt/edge-sorter] [PYTHON=/usr/bin/python3] [DESTDIR=...]
	@PYTHON='$(PYTHON)' packaging/install.sh install

uninstall:  ## undo `make install`; configuration and ledger stay
	@packaging/install.sh uninstall

deb: setup  ## build the Debian packages, Bookworm and Trixie, amd64 and arm64, in build/deb (DEB_FLAGS='--suite trixie --architecture arm64')
	@$(BIN)/python packaging/build_deb.py $(DEB_FLAGS)

deb-check: setup  ## as root: build the packages, then install, upgrade, remove and purge them in Debian roots
	@$(BIN)/python packaging/check_deb.py $(DEB_FLAGS)
