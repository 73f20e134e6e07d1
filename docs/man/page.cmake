# cmake -D PROGRAM=… -D TEMPLATE=… -D PAGE=… -P page.cmake
# Puts what PROGRAM --mdoc prints into the template's line "@COMMANDS@".
execute_process(COMMAND ${PROGRAM} --mdoc OUTPUT_VARIABLE commands COMMAND_ERROR_IS_FATAL ANY)
file(READ ${TEMPLATE} text)
string(REPLACE "@COMMANDS@\n" "${commands}" text "${text}")
file(WRITE ${PAGE} "${text}")
