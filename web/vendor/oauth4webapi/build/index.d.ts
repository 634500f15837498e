// The types come from the development dependency of the same version.
export * from 'oauth4webapi';
