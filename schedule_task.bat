@echo off
rem What Windows Task Scheduler runs each night: every active view, in load order.
rem Exit codes are those of `python -m etl_oracle_to_bq` (README, "Exit codes").
setlocal
cd /d "%~dp0"
set "PYTHON=%~dp0.venv\Scripts\python.exe"
set "LOGS=%~dp0var\log"
set PYTHONUTF8=1
if not exist "%LOGS%" mkdir "%LOGS%"
if not exist "%PYTHON%" goto no_python
"%PYTHON%" -m etl_oracle_to_bq run --all >> "%LOGS%\schedule_task.log" 2>&1
set RC=%ERRORLEVEL%
endlocal & exit /b %RC%

:no_python
echo There is no virtual environment at "%PYTHON%". See README, "First real view". >> "%LOGS%\schedule_task.log"
endlocal & exit /b 2
