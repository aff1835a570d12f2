<?php
// Makes the tables, or brings them up to this version of the code.
define('INSTALL_PATH', '/var/www/html/');
require_once INSTALL_PATH . 'program/include/clisetup.php';

$db = rcmail_utils::db();
if (!in_array($db->table_name('system'), $db->list_tables())) {
    rcmail_utils::db_init(INSTALL_PATH . 'SQL');
}
rcmail_utils::db_update(INSTALL_PATH . 'SQL', 'roundcube', null, ['errors' => true]);
