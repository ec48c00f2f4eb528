"""TTC messages, one module per message, named as in python-oracledb `impl/thin/messages`.

A request is zero or more piggybacks (type 17, `piggyback`) and one function call (type 3), or
one of the two negotiations. Where to look:

| request                       | code     | module          |
|-------------------------------|----------|-----------------|
| CONNECT packet                |          | `connect`       |
| protocol negotiation          | type 1   | `protocol`      |
| data types negotiation        | type 2   | `data_types`    |
| login, phase one and two      | 118, 115 | `auth`          |
| execute                       | 94       | `execute`       |
| re-execute (and fetch)        | 4, 78    | `reexecute`     |
| fetch                         | 5        | `fetch`         |
| LOB operation                 | 96       | `lob_op`        |
| ping, commit, rollback, logoff| 147 14 15 9 | `session_ops` |
| session release (one way)     | 163      | `session_ops`   |
| close cursors, attributes ... | type 17  | `piggyback`     |

| reply                         | type     | module          |
|-------------------------------|----------|-----------------|
| describe                      | 16       | `describe`      |
| bind descriptors and values, I/O vector | 7, 11 | `binds`   |
| row header, row data          | 6, 7     | `fetch`, `..rows` |
| end of call, error            | 4        | `end_of_call`   |
| status                        | 9        | `end_of_call`   |

A function's request class has `read(connection)`, which consumes exactly the bytes of the
request, and `answer(connection)`, which acts and writes the whole reply.
"""

PROTOCOL = 1
DATA_TYPES = 2
FUNCTION = 3
ERROR = 4
ROW_HEADER = 6
ROW_DATA = 7
PARAMETER = 8
STATUS = 9
IO_VECTOR = 11
LOB_DATA = 14
DESCRIBE_INFO = 16
PIGGYBACK = 17
ONE_WAY = 26

FUNC_REEXECUTE = 4
FUNC_FETCH = 5
FUNC_LOGOFF = 9
FUNC_COMMIT = 14
FUNC_ROLLBACK = 15
FUNC_REEXECUTE_AND_FETCH = 78
FUNC_EXECUTE = 94
FUNC_LOB_OP = 96
FUNC_CLOSE_CURSORS = 105
FUNC_AUTH_PHASE_TWO = 115
FUNC_AUTH_PHASE_ONE = 118
FUNC_SET_END_TO_END = 135
FUNC_PING = 147
FUNC_SET_SCHEMA = 152
FUNC_APP_CONTEXT = 154
FUNC_SESSION_RELEASE = 163
FUNC_SESSION_STATE = 176

# Field versions: each adds fields to messages. The session uses the lower of both sides'.
VERSION_12_2 = 8
VERSION_12_2_EXT1 = 9
VERSION_18_1_EXT1 = 11
VERSION_19C = 12
VERSION_20_1 = 14
