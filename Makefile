# Every habit of this project is a target; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
PYTHON := $(BIN)/python
LIANBAN := $(PYTHON) -m cli

.PHONY: help run up down status reset test check format browser chaos chaos-quick bench bench-quick docs lock setup setup-test

help: ## 列出全部命令 List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## 前台运行演示城市，Ctrl-C 停止 Run everything in the foreground; Ctrl-C stops it
	@exec $(LIANBAN) run

up: setup ## 后台启动，就绪后返回 Start everything in the background; returns when ready
	@exec $(LIANBAN) up

down: ## 停止后台运行 Stop what `make up` started
	@if [ -x $(PYTHON) ]; then exec $(LIANBAN) down; else echo "nothing was ever started here"; fi

status: ## 各服务状态 Health, versions and queues of every service
	@exec $(LIANBAN) status

reset: ## 清空数据（先确认）Wipe the state folder, after asking
	@if [ -x $(PYTHON) ]; then exec $(LIANBAN) reset $(if $(YES),--yes); else echo "nothing was ever started here"; fi

test: setup-test ## 运行全部测试（自带私有环境）Run all tests on a private stack; ARGS=... for pytest
	@$(PYTHON) -m pytest $(ARGS)

check: setup-test ## 格式、静态检查、类型、依赖方向 Format, lint, types, imports, docs
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@$(BIN)/lint-imports
	@$(PYTHON) -m lianban.chassis.web.translate check
	@$(PYTHON) -m pytest -q tests/docs

format: setup-test ## 整理格式 Format the code and fix what can be fixed
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

browser: setup-test ## 浏览器测试 Browser tests only
	@$(PYTHON) -m pytest -m browser $(ARGS)

chaos: setup-test ## 故障测试全集（约半小时）Every fault under load, about half an hour; ARGS="-k broker" for a part
	@$(PYTHON) -m pytest tests/chaos -m "chaos or chaos_quick" $(ARGS)

chaos-quick: setup-test ## 主要故障（也在 make test 中）The main faults under load; part of make test
	@$(PYTHON) -m pytest tests/chaos -m chaos_quick $(ARGS)

bench: setup-test ## 性能基准（约一小时）All figures on a stack of its own, about an hour; ARGS="--only lifecycle" for a part
	@$(PYTHON) -m tests.bench $(ARGS)

bench-quick: setup-test ## 性能基准（三分钟）The figures in three minutes, without bursts and a million matters
	@$(PYTHON) -m tests.bench --quick $(ARGS)

docs: setup ## 由代码生成参考手册 Write docs/reference from the code
	@$(LIANBAN) reference

lock: setup ## 重新锁定依赖（带哈希）Resolve requirements/*.in and package.json again, with hashes
	@[ -x build/lock/bin/uv ] || { $(PYTHON) -m venv build/lock && build/lock/bin/pip install -q uv; }
	@cd requirements && for set in build node runtime dev; do \
		echo "$$set"; \
		../build/lock/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
			--python-version 3.11 $$set.in -o $$set.txt $(if $(UPGRADE),--upgrade) || exit 1; \
	done
	@npm install --package-lock-only --ignore-scripts

setup:
	@sh deploy/local/prepare.sh run

setup-test:
	@sh deploy/local/prepare.sh test
