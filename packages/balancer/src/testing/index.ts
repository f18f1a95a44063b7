export { FakeBalancer } from './fake-driver.ts';
