@echo off
rem What Windows Task Scheduler starts each night: every active view, in load order.
rem Exit codes are those of `python -m etl_oracle_to_bq` (README, "Exit codes").
rem
rem A redirection that fails skips its command and leaves ERRORLEVEL as it was: 0, for nothing.
rem So RC is set by a start that took place, and by nothing else.
setlocal EnableExtensions DisableDelayedExpansion
set RC=
set PYTHONUTF8=1
rem pushd, because cd refuses a network path.
pushd "%~dp0"
if errorlevel 1 goto no_folder

if not exist var\log mkdir var\log
set "LOGS=var\log"
call :start_with_log
set "LOGS=%TEMP%"
if not defined RC if defined LOGS call :start_with_log
if not defined RC call :start
if not exist .venv\Scripts\python.exe call :no_python
popd
endlocal & exit /b %RC%

:start_with_log
rem Named by the first free number: the date differs with the language of Windows, and two starts
rem may share a second.
set NUMBER=0
:next_number
set /a NUMBER+=1
set "LOG=%LOGS%\etl-schedule_task-%NUMBER%.log"
if exist "%LOG%" goto next_number
call :start >> "%LOG%" 2>&1
rem Another start may have made this file after the check.
if not defined RC if exist "%LOG%" goto next_number
exit /b

:start
if not exist .venv\Scripts\python.exe goto no_python
.venv\Scripts\python.exe -m etl_oracle_to_bq run --all
set RC=%ERRORLEVEL%
exit /b

:no_python
echo There is no virtual environment in "%CD%". Nothing was loaded. Make it there:
echo py -3 -m venv .venv
echo .venv\Scripts\python -m pip install -q --no-deps --no-compile --only-binary :all: -r requirements.txt
set RC=2
exit /b

:no_folder
echo The folder "%~dp0" cannot be entered. Nothing was loaded.
endlocal & exit /b 2
