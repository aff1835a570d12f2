<?php
// Settings from the environment, by the names that the image of Docker's library has for them: NAME, or NAME_FILE for a file
// with the value.
(function () {
    $from = function ($name, $otherwise) {
        $file = getenv("WORDPRESS_{$name}_FILE");
        if ($file) {
            return rtrim(file_get_contents($file), "\r\n");
        }
        $value = getenv("WORDPRESS_$name");
        return $value === false ? $otherwise : $value;
    };
    $settings = [
        'DB_HOST' => 'mysql', 'DB_NAME' => 'wordpress', 'DB_USER' => '', 'DB_PASSWORD' => '', 'DB_CHARSET' => 'utf8mb4', 'DB_COLLATE' => '',
        'AUTH_KEY' => '', 'SECURE_AUTH_KEY' => '', 'LOGGED_IN_KEY' => '', 'NONCE_KEY' => '',
        'AUTH_SALT' => '', 'SECURE_AUTH_SALT' => '', 'LOGGED_IN_SALT' => '', 'NONCE_SALT' => '',
    ];
    foreach ($settings as $name => $otherwise) {
        define($name, $from($name, $otherwise));
    }
    define('WP_DEBUG', (bool) $from('DEBUG', ''));
    $GLOBALS['table_prefix'] = $from('TABLE_PREFIX', 'wp_');
    // The ingress speaks https and says so.
    if (strpos($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '', 'https') !== false) {
        $_SERVER['HTTPS'] = 'on';
    }
    eval($from('CONFIG_EXTRA', ''));
})();

defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
